"""The tokenizer's networks: an encoder, finite scalar quantisation (Mentzer et al. 2023) and a decoder.

An image of 28x28 becomes 7x7 tokens, each of which stands for about 4x4 pixels and what lies around them; for other
sizes see `training.image_kind`. A token is three numbers of eight levels each. Knows nothing of the data or the
optimiser.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from training.image_kind import FASHION, ImageKind

LEVELS = 8
NUM_DIMS = 3
NUM_CODES = LEVELS**NUM_DIMS
FIRST_CLASS_TOKEN: int = NUM_CODES
"""The classes of images are tokens behind the codes."""


class Residual(nn.Module):
    """Two convolutions around which the input goes as well; the first of `size` by `size`."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, width, size, padding=size // 2, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """Image [B, C, H, W] in -1..1 to unbounded numbers [B, NUM_DIMS, *grid].

    A cell of 4x4 pixels sees 11x11 of them and no more. One that sees the whole image learns to hide what it knows of
    the rest in the cells of the empty background; such tokens restore better, but are much harder to predict.
    """

    WIDTHS = (24, 48, 96)

    def __init__(self, kind: ImageKind = FASHION) -> None:
        super().__init__()
        self.kind = kind
        widths = (kind.num_channels, *self.WIDTHS[-kind.num_halvings :])
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):  # [B, 48, 14, 14], [B, 96, 7, 7] of 28x28
            layers += [nn.Conv2d(before, after, 4 if layers else 5, stride=2, padding=1 if layers else 2)]
            layers += [Residual(after, 1)]
        last = widths[-1]
        layers += [Residual(last, 1), nn.BatchNorm2d(last), nn.SiLU(), nn.Conv2d(last, NUM_DIMS, 1)]
        self.body = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        return self.body(self.kind.pad(image))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Quantised numbers [B, NUM_DIMS, *grid] in -1..1 to an image [B, C, H, W] in -1..1."""

    WIDTHS = (96, 48, 32)
    LAST_WIDTH = 16

    def __init__(self, kind: ImageKind = FASHION) -> None:
        super().__init__()
        self.kind = kind
        self.widths = (*self.WIDTHS[: kind.num_halvings], self.LAST_WIDTH)
        first = self.widths[0]
        layers: list[nn.Module] = [nn.Conv2d(NUM_DIMS, first, 3, padding=1), Residual(first, 3)]
        for before, after in itertools.pairwise(self.widths):  # [B, 48, 14, 14], [B, 16, 28, 28] of 28x28
            layers += [Residual(before, 3), nn.Conv2d(before, 4 * after, 3, padding=1), nn.PixelShuffle(2)]
        self.body = nn.Sequential(*layers, nn.SiLU())
        self.last = nn.Conv2d(self.LAST_WIDTH, kind.num_channels, 3, padding=1)

    def forward(self, quantised: Tensor) -> Tensor:
        return self.kind.crop(torch.tanh(self.last(self.body(quantised))))


def quantise(x: Tensor) -> Tensor:
    """Return each number of x rounded to one of LEVELS levels in -1..1; gradients pass as if it were not rounded."""
    bounded = torch.tanh(x.float()) * (LEVELS / 2 - 0.501) + 0.5  # in -3..4, so that every level gets its share
    levels = bounded + (bounded.round() - bounded).detach()
    return (levels - 0.5) / (LEVELS / 2 - 0.5)


def to_tokens(quantised: Tensor) -> Tensor:
    """Return the tokens [B, T] of quantised numbers [B, NUM_DIMS, rows, columns], row by row."""
    digits = (quantised * (LEVELS / 2 - 0.5) + (LEVELS / 2 - 0.5)).round().long()  # 0..LEVELS - 1
    place = LEVELS ** torch.arange(NUM_DIMS, device=digits.device)
    return (digits * place.view(1, -1, 1, 1)).sum(dim=1).flatten(1)


def from_tokens(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the inverse of `to_tokens`."""
    place = LEVELS ** torch.arange(NUM_DIMS, device=tokens.device)
    digits = tokens.view(-1, 1, *grid).div(place.view(1, -1, 1, 1), rounding_mode="floor") % LEVELS
    return digits.float() / (LEVELS / 2 - 0.5) - 1.0


class Prior(nn.Module):
    """A small causal model of the codes: what a cell's numbers will be, given the cells above and to the left.

    Only trained along, so that the encoder can be asked for tokens that a sequential model will find easy (rate and
    distortion weighed against each other, Ballé et al. 2018). Each number gets a logistic distribution over its levels.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.before = nn.Conv2d(NUM_DIMS, width, 5, padding=2)
        mask = torch.ones(1, 1, 5, 5)
        mask[..., 2, 2:] = 0
        mask[..., 3:, :] = 0
        self.mask: Tensor = nn.Buffer(mask, persistent=False)
        self.mix = nn.Conv2d(width, width, 1)
        self.out = nn.Conv2d(width, 2 * NUM_DIMS, 1)

    def forward(self, quantised: Tensor) -> Tensor:
        """Return the bits a token [B, rows, columns] that quantised numbers [B, NUM_DIMS, rows, columns] cost."""
        weight = self.before.weight * self.mask
        seen = nn.functional.silu(nn.functional.conv2d(quantised, weight, self.before.bias, padding=2))
        mean, log_scale = self.out(nn.functional.silu(self.mix(seen))).chunk(2, dim=1)
        half = 1 / (LEVELS - 1)  # half of the distance of two levels
        sharpness = torch.exp(-log_scale.clamp(-5.0, 3.0))
        low = torch.sigmoid((quantised - half - mean) * sharpness) * (quantised > -1 + half)
        high = torch.sigmoid((quantised + half - mean) * sharpness)
        high = torch.where(quantised > 1 - half, torch.ones_like(high), high)
        return -torch.log2((high - low).clamp_min(1e-6)).sum(dim=1)


class PatchDiscriminator(nn.Module):
    """Image [B, C, H, W] to scores [B, 1, H / 4, W / 4]: is each patch from a photograph? (Isola et al. 2017)."""

    def __init__(self, num_channels: int = 1, width: int = 48) -> None:
        super().__init__()
        self.body = nn.Sequential(
            spectral_norm(nn.Conv2d(num_channels, width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(2 * width, 2 * width, 3, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(2 * width, 1, 1)),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.body(image)  # type: ignore[no-any-return]
