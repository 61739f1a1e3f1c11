"""The tokenizer's networks: an encoder, finite scalar quantisation (Mentzer et al. 2023) and a decoder.

An image of 28x28 becomes 7x7 tokens, each of which stands for about 4x4 pixels and what lies around them. A token is
three numbers of eight levels each. Knows nothing of the data or the optimiser.
"""

import torch
from torch import Tensor, nn

GRID = 7
NUM_TOKENS = GRID * GRID
LEVELS = 8
NUM_DIMS = 3
NUM_CODES = LEVELS**NUM_DIMS


class Residual(nn.Module):
    """Two convolutions around which the input goes as well."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """Image [B, 1, 28, 28] in -1..1 to unbounded numbers [B, NUM_DIMS, 7, 7]."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 5, stride=2, padding=2),  # [B, 32, 14, 14]
            Residual(32),
            nn.Conv2d(32, width, 4, stride=2, padding=1),  # [B, width, 7, 7]
            Residual(width),
            Residual(width),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, NUM_DIMS, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.body(image)  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Quantised numbers [B, NUM_DIMS, 7, 7] in -1..1 to an image [B, 1, 28, 28] in -1..1."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(NUM_DIMS, width, 3, padding=1),
            Residual(width),
            Residual(width),
            nn.Conv2d(width, 4 * 48, 3, padding=1),
            nn.PixelShuffle(2),  # [B, 48, 14, 14]
            Residual(48),
            nn.Conv2d(48, 4 * 16, 3, padding=1),
            nn.PixelShuffle(2),  # [B, 16, 28, 28]
            nn.SiLU(),
            nn.Conv2d(16, 1, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, quantised: Tensor) -> Tensor:
        return self.body(quantised)  # type: ignore[no-any-return]


def quantise(x: Tensor) -> Tensor:
    """Return each number of x rounded to one of LEVELS levels in -1..1; gradients pass as if it were not rounded."""
    bounded = torch.tanh(x.float()) * (LEVELS / 2 - 0.501) + 0.5  # in -3..4, so that every level gets its share
    levels = bounded + (bounded.round() - bounded).detach()
    return (levels - 0.5) / (LEVELS / 2 - 0.5)


def to_tokens(quantised: Tensor) -> Tensor:
    """Return the tokens [B, NUM_TOKENS] of quantised numbers [B, NUM_DIMS, 7, 7], row by row."""
    digits = (quantised * (LEVELS / 2 - 0.5) + (LEVELS / 2 - 0.5)).round().long()  # 0..LEVELS - 1
    place = LEVELS ** torch.arange(NUM_DIMS, device=digits.device)
    return (digits * place.view(1, -1, 1, 1)).sum(dim=1).flatten(1)


def from_tokens(tokens: Tensor) -> Tensor:
    """Return the inverse of `to_tokens`."""
    place = LEVELS ** torch.arange(NUM_DIMS, device=tokens.device)
    digits = tokens.view(-1, 1, GRID, GRID).div(place.view(1, -1, 1, 1), rounding_mode="floor") % LEVELS
    return digits.float() / (LEVELS / 2 - 0.5) - 1.0
