"""The two players: a class-conditional DCGAN-scale generator and a projection discriminator.

Generator: transposed convolutions with class-conditional batch norm (Radford et al. 2015, de Vries et al. 2017).
Discriminator: spectral norm (Miyato et al. 2018) and label projection (Miyato & Koyama 2018).
One layer lies between an image and its half, down to its grid of cells (see `training.image_kind`). Knows nothing of
the data, the optimiser or ONNX.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from training.image_kind import FASHION, ImageKind

LATENT_DIM = 64


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose scale and shift are looked up by class label."""

    def __init__(self, num_channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_channels, affine=False)
        self.scale = nn.Embedding(num_classes, num_channels)
        self.shift = nn.Embedding(num_classes, num_channels)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        scale = self.scale(label)[:, :, None, None].to(x.dtype)  # [B, C, 1, 1]
        shift = self.shift(label)[:, :, None, None].to(x.dtype)
        return torch.addcmul(shift, self.norm(x), scale)


class Generator(nn.Module):
    """Latent [B, LATENT_DIM] and label [B] to an image [B, C, H, W] in -1..1; 0.8 M parameters for 28x28."""

    WIDTHS = (160, 64, 32, 16)

    def __init__(self, kind: ImageKind = FASHION) -> None:
        super().__init__()
        self.kind = kind
        first, *widths = self.WIDTHS[: kind.num_halvings + 1]
        height, width = kind.grid
        self.project = nn.Linear(LATENT_DIM, first * height * width, bias=False)
        self.norm0 = ConditionalBatchNorm(first, kind.num_classes)
        for number, (before, after) in enumerate(itertools.pairwise((first, *widths)), 1):
            self.add_module(f"up{number}", nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False))
            self.add_module(f"norm{number}", ConditionalBatchNorm(after, kind.num_classes))
        # A last convolution at full resolution evens out the checkerboard that transposed ones leave.
        self.to_image = nn.Conv2d(widths[-1], kind.num_channels, 3, padding=1)

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        x = self.project(latent).view(-1, self.WIDTHS[0], *self.kind.grid)
        x = torch.relu(self.norm0(x, label))  # [B, 160, 7, 7] for 28x28
        for number in range(1, self.kind.num_halvings + 1):
            up, norm = self.get_submodule(f"up{number}"), self.get_submodule(f"norm{number}")
            x = torch.relu(norm(up(x), label))  # [B, 64, 14, 14], [B, 32, 28, 28]
        return self.kind.crop(torch.tanh(self.to_image(x)))


class Discriminator(nn.Module):
    """Image [B, C, H, W] in -1..1 and label [B] to (score [B], features [B, NUM_FEATURES])."""

    WIDTHS = (48, 96, 160)
    NUM_FEATURES = 160

    def __init__(self, kind: ImageKind = FASHION) -> None:
        super().__init__()
        self.kind = kind
        widths = (kind.num_channels, *self.WIDTHS[: kind.num_halvings])
        for number, (before, after) in enumerate(itertools.pairwise(widths), 1):
            self.add_module(f"down{number}", spectral_norm(nn.Conv2d(before, after, 4, stride=2, padding=1)))
        self.mix = spectral_norm(nn.Conv2d(widths[-1], self.NUM_FEATURES, 3, padding=1))
        self.score = spectral_norm(nn.Linear(self.NUM_FEATURES, 1))
        self.projection = spectral_norm(nn.Embedding(kind.num_classes, self.NUM_FEATURES))

    def trunk(self, image: Tensor) -> list[Tensor]:
        """Return what each layer sees: [B, 48, 14, 14], [B, 96, 7, 7], [B, NUM_FEATURES, 7, 7] of 28x28."""
        layers = [self.kind.pad(image)]
        for name in (*(f"down{number}" for number in range(1, self.kind.num_halvings + 1)), "mix"):
            layers.append(nn.functional.leaky_relu(self.get_submodule(name)(layers[-1]), 0.2))
        return layers[1:]

    def sum_up(self, last: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Return (score [B], features [B, NUM_FEATURES]) of the last layer."""
        features = last.sum(dim=(2, 3)) / self.kind.num_tokens**0.5
        projected = (self.projection(label) * features).sum(dim=1)
        return self.score(features).squeeze(1) + projected, features

    def forward(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return self.sum_up(self.trunk(image)[-1], label)


def init_orthogonal(module: nn.Module) -> None:
    """Initialise the weights of linear and convolution layers as orthogonal matrices."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.orthogonal_(module.weight)
