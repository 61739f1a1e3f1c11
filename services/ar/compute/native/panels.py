"""The bytes of a panel's weights, 16 outputs side by side, in each format of matrix.h."""

import numpy as np

from services.ar.compute.native.library import LANES
from services.ar.model.arrays import Array
from services.ar.model.quantised import GROUP, NIBBLES, Kind

_QUADS = GROUP // 4
# Of the four bytes of a quad, which are worked on as one number:
_NIBBLES, _PAIRS, _BITS, _SIGNS = 0x0F0F0F0F, 0x03030303, 0x01010101, -0x7F7F7F80


def pack_floats(rows: Array) -> Array:
    """Return weights [outputs, inputs] as [panels, inputs, 16]."""
    return np.ascontiguousarray(rows.reshape(-1, LANES, rows.shape[1]).swapaxes(1, 2))


def pack_steps(steps: Array, scales: list[Array], kind: Kind) -> tuple[Array, Array]:
    """Return the bytes of a QuantisedTensor's steps, and the scales, or scales and minima, beside each other."""
    if kind == "int6":
        steps = steps + np.int8(32)
    num_quads = _QUADS // 2 if kind in NIBBLES else _QUADS
    num_groups = steps.shape[1] // (4 * num_quads)
    quads = np.ascontiguousarray(steps).view(np.int32).reshape(-1, LANES, num_groups, num_quads)
    # A quad's lanes become a vector of 64 bytes; what makes the vectors works on long runs of them.
    vectors = _vectors(np.ascontiguousarray(quads.transpose(3, 0, 2, 1)), kind)
    lines = vectors.view(f"V{4 * LANES}")[..., 0].transpose(1, 2, 0)
    data = np.ascontiguousarray(lines).view(np.uint8).reshape(*lines.shape, 4 * LANES)
    return data, _scales(scales, num_groups)


def _vectors(quads: Array, kind: Kind) -> Array:
    """Return a group's vectors [vectors, panels, groups, 16], each number four bytes, made of its quads."""
    if kind in NIBBLES:
        return quads
    if kind == "int8":
        return quads ^ _SIGNS  # + 128, modulo 256
    low, high = quads[: _QUADS // 2], quads[_QUADS // 2 :]
    nibbles = low & _NIBBLES | (high & _NIBBLES) << 4
    if kind == "int5":
        return np.concatenate([nibbles, _gathered(quads >> 4 & _BITS, 1)])
    return np.concatenate([nibbles, _gathered(low >> 4 & _PAIRS, 2), _gathered(high >> 4 & _PAIRS, 2)])


def _gathered(upper: Array, num_bits: int) -> Array:
    """Return the `num_bits` of each quad's bytes in one, the first quad's the lowest."""
    found = upper[:1]
    for quad in range(1, len(upper)):
        found = found | upper[quad : quad + 1] << num_bits * quad
    return found


def _scales(kinds: list[Array], num_groups: int) -> Array:
    """Return scales [outputs, groups or twice as many] of each kind as [panels, groups, all of a group, 16]."""
    panels = [kind.reshape(-1, LANES, num_groups, kind.shape[1] // num_groups).transpose(0, 2, 3, 1) for kind in kinds]
    return np.concatenate(panels, axis=2) if len(panels) > 1 else np.ascontiguousarray(panels[0])
