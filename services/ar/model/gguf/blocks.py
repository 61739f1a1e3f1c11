"""The blocks of GGUF's tensor types, taken apart into steps, scales and minima. See ggml-common.h of llama.cpp.

Scales of the K types are products of a block's scale and a few bits of each group; they are rounded to float16, by at
most one part in 2,048, so that all types are computed alike. Types that are not here are read as floats.
"""

from collections.abc import Callable, Sequence

import numpy as np

from services.ar.model.arrays import Array, shifted_left
from services.ar.model.gguf.types import TensorType as Type
from services.ar.model.quantised import GROUP, Kind, QuantisedTensor, in_nibbles

_Read = Callable[[Array], QuantisedTensor]
"""From blocks [outputs, blocks, bytes of one] uint8."""


def quantised(blocks: Array, type_: Type) -> QuantisedTensor:
    """Return the tensor of blocks [outputs, blocks, bytes] uint8, of one of the types in KINDS."""
    return _READERS[type_](blocks)


def _taken(blocks: Array, start: int, stop: int) -> Array:
    """Return some bytes of each block, one block's behind the other's, [outputs, blocks, stop - start].

    numpy copies the bytes of a block as one item where it is told that they are one: ten times faster.
    """
    return np.ascontiguousarray(blocks[..., start:stop].view(f"V{stop - start}")).view(np.uint8)


def _in_turn(parts: Sequence[Array], num_bytes: int) -> Array:
    """Return `num_bytes` of each part in turn, [outputs, ...]; the parts are contiguous and of one shape."""
    return np.stack([part.view(f"V{num_bytes}") for part in parts], axis=-1).view(np.uint8)


def _halves(blocks: Array, start: int) -> Array:
    """Return the half-precision number at a place of each block, [outputs, blocks] float16."""
    return _taken(blocks, start, start + 2).view(np.float16)[..., 0]


def _floats(blocks: Array, start: int) -> Array:
    return _halves(blocks, start).astype(np.float32)


def _scales(values: Array) -> Array:
    """Return scales [outputs, ...] as [outputs, groups] float16; a damaged one is infinite or NaN."""
    with np.errstate(all="ignore"):
        return values.reshape(len(values), -1).astype(np.float16, copy=False)


def _steps(values: Array) -> Array:
    return values.reshape(len(values), -1)


def _nibbles(quants: Array) -> Array:
    """Return the low nibbles and then the high ones of quants [..., n], [..., 2 * n]."""
    return _in_turn((quants & 15, quants >> 4), quants.shape[-1])


def _fifth_bits(blocks: Array, start: int) -> Array:
    """Return the 32 bits at `start` as 0 or 16 each, [outputs, blocks, 32]."""
    return shifted_left(np.unpackbits(_taken(blocks, start, start + 4), axis=-1, bitorder="little"), 4)


def _q4_0(blocks: Array) -> QuantisedTensor:
    return QuantisedTensor(_steps(_taken(blocks, 2, 18)), _halves(blocks, 0), kind="q4_0")


def _q4_1(blocks: Array) -> QuantisedTensor:
    return QuantisedTensor(_steps(_taken(blocks, 4, 20)), _halves(blocks, 0), _halves(blocks, 2), "int4")


def _q5_0(blocks: Array) -> QuantisedTensor:
    steps = _nibbles(_taken(blocks, 6, 22)).reshape(*blocks.shape[:2], GROUP) | _fifth_bits(blocks, 2)
    return QuantisedTensor(_steps(steps), _halves(blocks, 0), _scales(_floats(blocks, 0) * -16), "int5")


def _q5_1(blocks: Array) -> QuantisedTensor:
    steps = _nibbles(_taken(blocks, 8, 24)).reshape(*blocks.shape[:2], GROUP) | _fifth_bits(blocks, 4)
    return QuantisedTensor(_steps(steps), _halves(blocks, 0), _halves(blocks, 2), "int5")


def _q8_0(blocks: Array) -> QuantisedTensor:
    return QuantisedTensor(_steps(_taken(blocks, 2, 34)).view(np.int8), _halves(blocks, 0))


def _iq4_nl(blocks: Array) -> QuantisedTensor:
    return QuantisedTensor(_steps(_taken(blocks, 2, 18)), _halves(blocks, 0), kind="iq4_nl")


def _k_scales(blocks: Array) -> tuple[Array, Array]:
    """Return scales and minima of the 8 groups of 32 of each block of Q4_K or Q5_K: 6 bits each, in 12 bytes."""
    low, high, rest = (_taken(blocks, start, start + 4) for start in (4, 8, 12))
    scales = _in_turn((low & 63, rest & 15 | shifted_left(low >> 6, 4)), 4).reshape(*blocks.shape[:2], 8)
    minima = _in_turn((high & 63, rest >> 4 | shifted_left(high >> 6, 4)), 4).reshape(*blocks.shape[:2], 8)
    with np.errstate(all="ignore"):
        scale, minimum = _floats(blocks, 0)[..., None], -_floats(blocks, 2)[..., None]
        return _scales(scale * scales), _scales(minimum * minima)


def _q4_k(blocks: Array) -> QuantisedTensor:
    quants = _taken(blocks, 16, 144).reshape(*blocks.shape[:2], 4, GROUP)  # two groups in the nibbles of each 32 bytes
    return QuantisedTensor(in_nibbles(_steps(_nibbles(quants))), *_k_scales(blocks), "int4")


def _q5_k(blocks: Array) -> QuantisedTensor:
    quants, fifth = _taken(blocks, 48, 176).reshape(*blocks.shape[:2], 4, GROUP), _taken(blocks, 16, 48)
    upper = _in_turn([shifted_left(fifth >> bit & 1, 4) for bit in range(8)], GROUP)  # of each of 8 groups
    return QuantisedTensor(_steps(_nibbles(quants)) | _steps(upper), *_k_scales(blocks), "int5")


def _q6_k(blocks: Array) -> QuantisedTensor:
    low = _taken(blocks, 0, 128).reshape(*blocks.shape[:2], 2, 64)  # of two halves of a block, each of 4 runs of 32
    high = _taken(blocks, 128, 192).reshape(*blocks.shape[:2], 2, 32)
    upper = _in_turn([shifted_left(high >> bit & 3, 4) for bit in (0, 2, 4, 6)], 32)
    scales = _floats(blocks, 208)[..., None] * _taken(blocks, 192, 208).view(np.int8)
    steps = _steps(_nibbles(low))
    steps |= _steps(upper)
    signed = steps.view(np.int8)
    signed -= 32
    return QuantisedTensor(signed, _scales(scales), kind="int6")


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
