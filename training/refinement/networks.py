"""Networks of the refinement: a decoder with more to it than the one it starts from, and the opponent it plays against.

Knows nothing of the data or the optimiser.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from training.gan.networks import Discriminator
from training.image_kind import FASHION, ImageKind
from training.tokenizer.networks import Decoder, Residual

NUM_POWER_ITERATIONS = 50


class Overview(nn.Module):
    """Tells each cell what the whole grid holds; a garment decides how its seam looks."""

    def __init__(self, width: int, num_cells: int, summary: int = 8, hidden: int = 128) -> None:
        super().__init__()
        self.summarise = nn.Conv2d(width, summary, 1)
        self.digest = nn.Linear(summary * num_cells, hidden)
        self.tell = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        digest = nn.functional.silu(self.digest(self.summarise(x).flatten(1)))
        told: Tensor = self.tell(digest)
        return x + told[:, :, None, None]


class RefinedDecoder(nn.Module):
    """As `Decoder`, with an overview and one block more at each larger size; at first it draws what `base` draws.

    Batch norm keeps the statistics of `base`: what is learnt is exactly what serves, and images of different kinds in a
    batch do not mix.
    """

    def __init__(self, base: Decoder) -> None:
        super().__init__()
        self.kind = base.kind
        self.coarse, self.last = base.body[:3], base.last
        # A convolution, its shuffle and, but for the last size, a block: [B, 48, 14, 14], [B, 16, 28, 28] of 28x28.
        self.larger = nn.ModuleList(base.body[3 * level : 3 * level + 3] for level in range(1, len(base.widths) - 1))
        self.larger.append(base.body[-3:-1])
        self.overview = Overview(base.widths[0], base.kind.num_tokens)
        more = [Residual(width, 3) for width in base.widths[1:]]
        self.more = nn.ModuleList(more)
        for silent in (self.overview.tell, *(block.body[-1] for block in more)):
            for parameter in silent.parameters():
                nn.init.zeros_(parameter)

    def forward(self, quantised: Tensor) -> Tensor:
        x = self.overview(self.coarse(quantised))
        for larger, more in zip(self.larger, self.more, strict=True):
            x = more(larger(x))
        return self.kind.crop(torch.tanh(self.last(nn.functional.silu(x))))

    def train(self, mode: bool = True) -> "RefinedDecoder":
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


class Opponent(Discriminator):
    """Image [B, C, H, W] and label [B] to (scores [B, ...] of each view, features [B, C, H, W] of each layer).

    Three views score: each patch by itself, the patches' sum with the class (both on the trunk of the GAN's
    discriminator, from whose weights it starts), and the whole image in its arrangement with the class.
    """

    def __init__(self, kind: ImageKind = FASHION, hidden: int = 128) -> None:
        super().__init__(kind)
        width = self.NUM_FEATURES
        rows, columns = ((cells + 1) // 2 for cells in kind.grid)
        self.patch = spectral_norm(nn.Conv2d(width, 1, 1))
        self.halve = spectral_norm(nn.Conv2d(width, width, 3, stride=2, padding=1))
        self.arrange = spectral_norm(nn.Linear(width * rows * columns, hidden))
        self.whole = spectral_norm(nn.Linear(hidden, 1))
        self.whole_projection = spectral_norm(nn.Embedding(kind.num_classes, hidden))

    def forward(self, image: Tensor, label: Tensor) -> tuple[list[Tensor], list[Tensor]]:  # type: ignore[override]
        layers = self.trunk(image)
        bag, _ = self.sum_up(layers[-1], label)
        arranged = nn.functional.leaky_relu(self.halve(layers[-1]), 0.2).flatten(1)
        arranged = nn.functional.leaky_relu(self.arrange(arranged), 0.2)  # [B, hidden]
        whole = self.whole(arranged) + (self.whole_projection(label) * arranged).sum(dim=1, keepdim=True)
        return [self.patch(layers[-1]), bag.unsqueeze(1), whole], layers

    def start_from(self, weights: dict[str, Tensor]) -> None:
        """Take over a GAN's discriminator, as its ONNX file holds it: the same names."""
        layers: dict[str, Any] = {name: layer for name, layer in self.named_children() if f"{name}.weight" in weights}
        with torch.no_grad():
            for name, layer in layers.items():
                layer.weight = weights[f"{name}.weight"]
                if f"{name}.bias" in weights:
                    layer.bias.copy_(weights[f"{name}.bias"])
                for _ in range(NUM_POWER_ITERATIONS):
                    _ = layer.weight  # each look improves the estimate of the spectral norm, while in training


def weights_of(path: Path) -> dict[str, Tensor]:
    """Return the weights that an ONNX file holds, by name."""
    graph = onnx.load(path).graph
    return {weight.name: torch.from_numpy(np.array(onnx.numpy_helper.to_array(weight))) for weight in graph.initializer}
