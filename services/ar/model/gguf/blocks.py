"""The blocks of GGUF's tensor types, taken apart into steps, scales and minima. See ggml-common.h of llama.cpp.

Scales of the K types are products of a block's scale and a few bits of each group; they are rounded to float16, by at
most one part in 2,048, so that all types are computed alike. Types that are not here are read as floats.
"""

from collections.abc import Callable

import numpy as np
from gguf import GGMLQuantizationType as Type

from services.ar.model.arrays import Array
from services.ar.model.quantised import GROUP, Kind, QuantisedTensor, in_nibbles

_Read = Callable[[Array], QuantisedTensor]
"""From blocks [outputs, blocks, bytes of one] uint8."""


def quantised(blocks: Array, type_: Type) -> QuantisedTensor:
    """Return the tensor of blocks [outputs, blocks, bytes] uint8, of one of the types in KINDS."""
    return _READERS[type_](blocks)


def _halves(blocks: Array, start: int) -> Array:
    """Return the half-precision number at a place of each block, [outputs, blocks] float32."""
    values: Array = np.ascontiguousarray(blocks[..., start : start + 2]).view(np.float16)[..., 0]
    return values.astype(np.float32)


def _scales(values: Array) -> Array:
    """Return scales [outputs, ...] as [outputs, groups] float16; a damaged one is infinite or NaN."""
    with np.errstate(all="ignore"):
        return values.reshape(len(values), -1).astype(np.float16)


def _steps(values: Array) -> Array:
    return np.ascontiguousarray(values.reshape(len(values), -1))


def _nibbles(quants: Array) -> Array:
    """Return the low nibbles and then the high ones of quants [..., n], [..., 2 * n]."""
    return np.concatenate([quants & 15, quants >> 4], axis=-1)


def _fifth_bits(blocks: Array, start: int) -> Array:
    """Return the 32 bits at `start` as 0 or 16 each, [outputs, blocks, 32]."""
    return np.unpackbits(blocks[..., start : start + 4], axis=-1, bitorder="little") << 4


def _q4_0(blocks: Array) -> QuantisedTensor:
    return QuantisedTensor(_steps(blocks[..., 2:]), _scales(_halves(blocks, 0)), kind="q4_0")


def _q4_1(blocks: Array) -> QuantisedTensor:
    scales, minima = _halves(blocks, 0), _halves(blocks, 2)
    return QuantisedTensor(_steps(blocks[..., 4:]), _scales(scales), _scales(minima), "int4")


def _q5_0(blocks: Array) -> QuantisedTensor:
    scales, steps = _halves(blocks, 0), _nibbles(blocks[..., 6:]) | _fifth_bits(blocks, 2)
    return QuantisedTensor(_steps(steps), _scales(scales), _scales(scales * -16), "int5")


def _q5_1(blocks: Array) -> QuantisedTensor:
    steps = _nibbles(blocks[..., 8:]) | _fifth_bits(blocks, 4)
    return QuantisedTensor(_steps(steps), _scales(_halves(blocks, 0)), _scales(_halves(blocks, 2)), "int5")


def _q8_0(blocks: Array) -> QuantisedTensor:
    return QuantisedTensor(_steps(blocks[..., 2:].view(np.int8)), _scales(_halves(blocks, 0)))


def _iq4_nl(blocks: Array) -> QuantisedTensor:
    return QuantisedTensor(_steps(blocks[..., 2:]), _scales(_halves(blocks, 0)), kind="iq4_nl")


def _k_scales(blocks: Array) -> tuple[Array, Array]:
    """Return scales and minima of the 8 groups of 32 of each block of Q4_K or Q5_K: 6 bits each, in 12 bytes."""
    low, high, rest = (blocks[..., start : start + 4] for start in (4, 8, 12))
    scales = np.concatenate([low & 63, (rest & 15) | (low >> 6) << 4], axis=-1)
    minima = np.concatenate([high & 63, (rest >> 4) | (high >> 6) << 4], axis=-1)
    with np.errstate(all="ignore"):
        scale, minimum = _halves(blocks, 0)[..., None], -_halves(blocks, 2)[..., None]
        return _scales(scale * scales), _scales(minimum * minima)


def _q4_k(blocks: Array) -> QuantisedTensor:
    quants = blocks[..., 16:].reshape(*blocks.shape[:2], 4, GROUP)  # two groups in the nibbles of each 32 bytes
    return QuantisedTensor(in_nibbles(_steps(_nibbles(quants))), *_k_scales(blocks), "int4")


def _q5_k(blocks: Array) -> QuantisedTensor:
    quants = blocks[..., 48:].reshape(*blocks.shape[:2], 4, GROUP)
    fifth = blocks[..., 16:48, None] >> np.arange(8, dtype=np.uint8) & 1  # [outputs, blocks, 32, 8 groups]
    steps = _nibbles(quants).reshape(*blocks.shape[:2], 8, GROUP) | fifth.swapaxes(-1, -2) << 4
    return QuantisedTensor(_steps(steps), *_k_scales(blocks), "int5")


def _q6_k(blocks: Array) -> QuantisedTensor:
    shape = blocks.shape[:2]
    low = blocks[..., :128].reshape(*shape, 2, 64)  # of two halves of a block, each of 4 runs of 32
    high = blocks[..., 128:192].reshape(*shape, 2, 1, 32) >> np.array([0, 2, 4, 6], np.uint8)[:, None] & 3
    steps = _nibbles(low).reshape(*shape, 2, 4, 32) | high << 4
    scales = _halves(blocks, 208)[..., None] * blocks[..., 192:208].view(np.int8)
    return QuantisedTensor(_steps(steps.astype(np.int8) - np.int8(32)), _scales(scales), kind="int6")


_READERS: dict[Type, _Read] = {
    Type.Q4_0: _q4_0,
    Type.Q4_1: _q4_1,
    Type.Q5_0: _q5_0,
    Type.Q5_1: _q5_1,
    Type.Q8_0: _q8_0,
    Type.Q4_K: _q4_k,
    Type.Q5_K: _q5_k,
    Type.Q6_K: _q6_k,
    Type.IQ4_NL: _iq4_nl,
}
KINDS: dict[Type, Kind] = {
    Type.Q4_0: "q4_0",
    **dict.fromkeys((Type.Q4_1, Type.Q4_K), "int4"),
    **dict.fromkeys((Type.Q5_0, Type.Q5_1, Type.Q5_K), "int5"),
    Type.Q6_K: "int6",
    Type.Q8_0: "int8",
    Type.IQ4_NL: "iq4_nl",
}
"""What the tensors of each type become."""
