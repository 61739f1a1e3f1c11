"""The bytes of a panel's weights, 16 outputs side by side, in each format of matrix.h."""

import torch
from torch import Tensor

from services.ar.compute.native.library import LANES
from services.ar.model.quantised import GROUP, NIBBLES, Kind

_QUADS = GROUP // 4
# Of the four bytes of a quad, which are worked on as one number:
_NIBBLES, _PAIRS, _BITS, _SIGNS = 0x0F0F0F0F, 0x03030303, 0x01010101, -0x7F7F7F80


def pack_floats(rows: Tensor) -> Tensor:
    """Return weights [outputs, inputs] as [panels, inputs, 16]."""
    return rows.view(-1, LANES, rows.shape[1]).transpose(1, 2).contiguous()


def pack_steps(steps: Tensor, scales: list[Tensor], kind: Kind) -> tuple[Tensor, Tensor]:
    """Return the bytes of a QuantisedTensor's steps, and the scales, or scales and minima, beside each other."""
    if kind == "int6":
        steps = steps + 32
    num_quads = _QUADS // 2 if kind in NIBBLES else _QUADS
    num_groups = steps.shape[1] // (4 * num_quads)
    quads = steps.contiguous().view(torch.int32).view(-1, LANES, num_groups, num_quads)
    # [panels, 16, groups, vectors] -> [panels, groups, vectors, 16], each number four bytes
    vectors = _vectors(quads, kind).permute(0, 2, 3, 1).contiguous()
    return vectors.view(torch.uint8), _scales(scales, num_groups)


def _vectors(quads: Tensor, kind: Kind) -> Tensor:
    """Return what a lane has of each of a group's vectors of 64 bytes."""
    if kind in NIBBLES:
        return quads
    if kind == "int8":
        return quads ^ _SIGNS  # + 128, modulo 256
    low, high = quads[..., : _QUADS // 2], quads[..., _QUADS // 2 :]
    nibbles = low & _NIBBLES | (high & _NIBBLES) << 4
    if kind == "int5":
        return torch.cat([nibbles, _gathered(quads >> 4 & _BITS, 1)], dim=-1)
    return torch.cat([nibbles, _gathered(low >> 4 & _PAIRS, 2), _gathered(high >> 4 & _PAIRS, 2)], dim=-1)


def _gathered(upper: Tensor, num_bits: int) -> Tensor:
    """Return the `num_bits` of each quad's bytes in one, the first quad's the lowest."""
    found = upper[..., :1]
    for quad in range(1, upper.shape[-1]):
        found = found | upper[..., quad : quad + 1] << num_bits * quad
    return found


def _scales(kinds: list[Tensor], num_groups: int) -> Tensor:
    """Return scales [outputs, groups or twice as many] of each kind as [panels, groups, all of a group, 16]."""
    panels = [kind.view(-1, LANES, num_groups, kind.shape[1] // num_groups).permute(0, 2, 3, 1) for kind in kinds]
    return torch.cat(panels, dim=2).contiguous()
