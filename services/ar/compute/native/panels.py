"""The bytes of a panel's weights, 16 outputs side by side, in each format of matrix.h."""

import torch
from torch import Tensor

from services.ar.compute.native.library import LANES
from services.ar.model.quantised import GROUP, Kind

_OFFSETS = {"int8": 128, "int6": 32}  # added to steps that have a sign


def pack_floats(rows: Tensor) -> Tensor:
    """Return weights [outputs, inputs] as [panels, inputs, 16]."""
    return rows.view(-1, LANES, rows.shape[1]).transpose(1, 2).contiguous()


def pack_steps(steps: Tensor, scales: list[Tensor], kind: Kind) -> tuple[Tensor, Tensor]:
    """Return the bytes of steps [outputs, inputs], and the scales, or scales and minima, beside each other."""
    if kind in _OFFSETS:
        steps = steps.view(torch.uint8) + _OFFSETS[kind]  # modulo 256
    num_groups = steps.shape[1] // GROUP
    # [panels, 16, groups, quads, 4] -> [panels, groups, quads, 16, 4]
    quads = steps.view(-1, LANES, num_groups, GROUP // 4, 4).permute(0, 2, 3, 1, 4)
    return _bytes(quads, kind).contiguous(), _scales(scales, num_groups)


def _bytes(quads: Tensor, kind: Kind) -> Tensor:
    """Return [panels, groups, vectors of 64 bytes, 16, 4]."""
    if kind == "int8":
        return quads
    low, high = quads[:, :, :4], quads[:, :, 4:]
    nibbles = (low & 15) | (high & 15) << 4
    if kind == "int5":
        return torch.cat([nibbles, _gathered(quads >> 4, 1)], dim=2)
    if kind == "int6":
        return torch.cat([nibbles, _gathered(low >> 4, 2), _gathered(high >> 4, 2)], dim=2)
    return nibbles


def _gathered(upper: Tensor, num_bits: int) -> Tensor:
    """Return the `num_bits` of each quad in one byte, the first quad's the lowest: [panels, groups, 1, 16, 4]."""
    shifts = torch.arange(0, 8, num_bits, dtype=torch.uint8).view(-1, 1, 1)
    return (upper << shifts).sum(dim=2, keepdim=True, dtype=torch.uint8)


def _scales(kinds: list[Tensor], num_groups: int) -> Tensor:
    """Return scales [outputs, groups or twice as many] of each kind as [panels, groups, all of a group, 16]."""
    panels = [kind.view(-1, LANES, num_groups, kind.shape[1] // num_groups).permute(0, 2, 3, 1) for kind in kinds]
    return torch.cat(panels, dim=2).contiguous()
