"""The two players: a class-conditional DCGAN-scale generator and a projection discriminator.

Generator: transposed convolutions with class-conditional batch norm (Radford et al. 2015, de Vries et al. 2017).
Discriminator: spectral norm (Miyato et al. 2018) and label projection (Miyato & Koyama 2018).
Knows nothing of the data, the optimiser or ONNX.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from tandem.measure.quality.fashion_mnist import NUM_CLASSES

LATENT_DIM = 64


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose scale and shift are looked up by class label."""

    def __init__(self, num_channels: int, num_classes: int = NUM_CLASSES) -> None:
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
    """Latent [B, LATENT_DIM] and label [B] to an image [B, 1, 28, 28] in -1..1; 0.8 M parameters."""

    def __init__(self, widths: tuple[int, int, int] = (160, 64, 32)) -> None:
        super().__init__()
        self.widths = widths
        c0, c1, c2 = widths
        self.project = nn.Linear(LATENT_DIM, c0 * 7 * 7, bias=False)
        self.norm0 = ConditionalBatchNorm(c0)
        self.up1 = nn.ConvTranspose2d(c0, c1, 4, stride=2, padding=1, bias=False)
        self.norm1 = ConditionalBatchNorm(c1)
        self.up2 = nn.ConvTranspose2d(c1, c2, 4, stride=2, padding=1, bias=False)
        self.norm2 = ConditionalBatchNorm(c2)
        # A last convolution at full resolution evens out the checkerboard that transposed ones leave.
        self.to_image = nn.Conv2d(c2, 1, 3, padding=1)

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        x = self.project(latent).view(-1, self.widths[0], 7, 7)
        x = torch.relu(self.norm0(x, label))  # [B, c0, 7, 7]
        x = torch.relu(self.norm1(self.up1(x), label))  # [B, c1, 14, 14]
        x = torch.relu(self.norm2(self.up2(x), label))  # [B, c2, 28, 28]
        return torch.tanh(self.to_image(x))


class Discriminator(nn.Module):
    """Image [B, 1, 28, 28] in -1..1 and label [B] to (score [B], features [B, widths[-1]])."""

    def __init__(self, widths: tuple[int, int, int] = (48, 96, 160)) -> None:
        super().__init__()
        d0, d1, d2 = widths
        self.down1 = spectral_norm(nn.Conv2d(1, d0, 4, stride=2, padding=1))
        self.down2 = spectral_norm(nn.Conv2d(d0, d1, 4, stride=2, padding=1))
        self.mix = spectral_norm(nn.Conv2d(d1, d2, 3, padding=1))
        self.score = spectral_norm(nn.Linear(d2, 1))
        self.projection = spectral_norm(nn.Embedding(NUM_CLASSES, d2))

    def forward(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        x = nn.functional.leaky_relu(self.down1(image), 0.2)  # [B, d0, 14, 14]
        x = nn.functional.leaky_relu(self.down2(x), 0.2)  # [B, d1, 7, 7]
        x = nn.functional.leaky_relu(self.mix(x), 0.2)  # [B, d2, 7, 7]
        features = x.sum(dim=(2, 3)) / 7.0  # [B, d2]
        projected = (self.projection(label) * features).sum(dim=1)
        return self.score(features).squeeze(1) + projected, features


def init_orthogonal(module: nn.Module) -> None:
    """Initialise the weights of linear and convolution layers as orthogonal matrices."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.orthogonal_(module.weight)
