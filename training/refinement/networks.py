"""Networks of the refinement: a decoder with more to it than the one it starts from, and the opponent it plays against.

Knows nothing of the data or the optimiser.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from tandem.measure.quality.fashion_mnist import NUM_CLASSES
from training.tokenizer.networks import GRID, Decoder, Residual

NUM_POWER_ITERATIONS = 50


class Overview(nn.Module):
    """Tells each cell what the whole grid holds; the garment decides how a seam looks."""

    def __init__(self, width: int, summary: int = 8, hidden: int = 128) -> None:
        super().__init__()
        self.summarise = nn.Conv2d(width, summary, 1)
        self.digest = nn.Linear(summary * GRID * GRID, hidden)
        self.tell = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        digest = nn.functional.silu(self.digest(self.summarise(x).flatten(1)))
        told: Tensor = self.tell(digest)
        return x + told[:, :, None, None]


class RefinedDecoder(nn.Module):
    """As `Decoder`, with an overview and one block more at 14x14 and at 28x28; at first it draws what `base` draws.

    Batch norm keeps the statistics of `base`: what is learnt is exactly what serves, and images of different kinds in a
    batch do not mix.
    """

    def __init__(self, base: Decoder) -> None:
        super().__init__()
        self.coarse, self.middle, self.fine = base.body[:3], base.body[3:6], base.body[6:8]
        self.last = base.last
        self.overview = Overview(96)
        self.more_middle = Residual(48, 3)
        self.more_fine = Residual(16, 3)
        for silent in (self.overview.tell, self.more_middle.body[-1], self.more_fine.body[-1]):
            for parameter in silent.parameters():
                nn.init.zeros_(parameter)

    def forward(self, quantised: Tensor) -> Tensor:
        x = self.overview(self.coarse(quantised))  # [B, 96, 7, 7]
        x = self.more_middle(self.middle(x))  # [B, 48, 14, 14]
        x = self.more_fine(self.fine(x))  # [B, 16, 28, 28]
        return torch.tanh(self.last(nn.functional.silu(x)))

    def train(self, mode: bool = True) -> "RefinedDecoder":
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


class Opponent(nn.Module):
    """Image [B, 1, 28, 28] and label [B] to (scores [B, ...] of each view, features [B, C, H, W] of each layer).

    Three views score: each patch by itself, the patches' sum with the class (both on the trunk of fashion-gan's
    discriminator, from whose weights it starts), and the whole image in its arrangement with the class.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down1 = spectral_norm(nn.Conv2d(1, 48, 4, stride=2, padding=1))
        self.down2 = spectral_norm(nn.Conv2d(48, 96, 4, stride=2, padding=1))
        self.mix = spectral_norm(nn.Conv2d(96, 160, 3, padding=1))
        self.patch = spectral_norm(nn.Conv2d(160, 1, 1))
        self.score = spectral_norm(nn.Linear(160, 1))
        self.projection = spectral_norm(nn.Embedding(NUM_CLASSES, 160))
        self.down3 = spectral_norm(nn.Conv2d(160, 160, 3, stride=2, padding=1))
        self.arrange = spectral_norm(nn.Linear(160 * 4 * 4, 128))
        self.whole = spectral_norm(nn.Linear(128, 1))
        self.whole_projection = spectral_norm(nn.Embedding(NUM_CLASSES, 128))

    def forward(self, image: Tensor, label: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        first = nn.functional.leaky_relu(self.down1(image), 0.2)  # [B, 48, 14, 14]
        second = nn.functional.leaky_relu(self.down2(first), 0.2)  # [B, 96, 7, 7]
        third = nn.functional.leaky_relu(self.mix(second), 0.2)  # [B, 160, 7, 7]
        pooled = third.sum(dim=(2, 3)) / 7.0
        bag = self.score(pooled) + (self.projection(label) * pooled).sum(dim=1, keepdim=True)
        arranged = nn.functional.leaky_relu(self.down3(third), 0.2).flatten(1)
        arranged = nn.functional.leaky_relu(self.arrange(arranged), 0.2)  # [B, 128]
        whole = self.whole(arranged) + (self.whole_projection(label) * arranged).sum(dim=1, keepdim=True)
        return [self.patch(third), bag, whole], [first, second, third]

    def start_from(self, weights: dict[str, Tensor]) -> None:
        """Take over fashion-gan's discriminator, as its ONNX file holds it: the same names."""
        with torch.no_grad():
            for name in ("down1", "down2", "mix", "score", "projection"):
                layer = getattr(self, name)
                layer.weight = weights[f"{name}.weight"]
                if name != "projection":
                    layer.bias.copy_(weights[f"{name}.bias"])
                for _ in range(NUM_POWER_ITERATIONS):
                    _ = layer.weight  # each look improves the estimate of the spectral norm, while in training


def weights_of(path: Path) -> dict[str, Tensor]:
    """Return the weights that an ONNX file holds, by name."""
    graph = onnx.load(path).graph
    return {each.name: torch.from_numpy(np.array(onnx.numpy_helper.to_array(each))) for each in graph.initializer}
