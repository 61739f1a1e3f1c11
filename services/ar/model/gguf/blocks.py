"""The types of a GGUF file's tensors, taken apart into steps, scales and minima. See ggml-common.h of llama.cpp.

Scales of the K types are products of a block's scale and a few bits of each group; they are rounded to float16, by at
most one part in 2,048, so that all types are computed alike. The `gguf` package knows all other types: its import takes
longer than all else that is done with a header, so it is left until a file has one of those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from services.ar.model.arrays import FLOATS, Array, shift_left
from services.ar.model.quantised import GROUP, Held, QuantisedTensor, pack_nibbles, quantise


class TensorType(NamedTuple):
    """How weights of a type lie in a file."""

    name: str
    block_size: int
    """Weights in a block."""
    block_bytes: int
    format: str
    """Of what `decode` returns: a kind of few bits, or the name of a float's type."""
    decode: Callable[[Array], Held]
    """From rows [outputs, bytes] uint8."""


def _take(blocks: Array, start: int, stop: int) -> Array:
    """Return some bytes of each block, one block's behind the other's, [outputs, blocks, stop - start].

    numpy copies the bytes of a block as one item where it is told that they are one: ten times faster.
    """
    return np.ascontiguousarray(blocks[..., start:stop].view(f"V{stop - start}")).view(np.uint8)


def _interleave(parts: Sequence[Array], num_bytes: int) -> Array:
    """Return `num_bytes` of each part in turn, [outputs, ...]; the parts are contiguous and of one shape."""
    return np.stack([part.view(f"V{num_bytes}") for part in parts], axis=-1).view(np.uint8)


def _halves(blocks: Array, start: int) -> Array:
    """Return the half-precision number at a place of each block, [outputs, blocks] float16."""
    return _take(blocks, start, start + 2).view(np.float16)[..., 0]


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
    return _interleave((quants & 15, quants >> 4), quants.shape[-1])


def _fifth_bits(blocks: Array, start: int) -> Array:
    """Return the 32 bits at `start` as 0 or 16 each, [outputs, blocks, 32]."""
    return shift_left(np.unpackbits(_take(blocks, start, start + 4), axis=-1, bitorder="little"), 4)


def _q4_0(blocks: Array) -> QuantisedTensor:
    return QuantisedTensor(_steps(_take(blocks, 2, 18)), _halves(blocks, 0), kind="q4_0")


def _q4_1(blocks: Array) -> QuantisedTensor:
    return QuantisedTensor(_steps(_take(blocks, 4, 20)), _halves(blocks, 0), _halves(blocks, 2), "int4")


def _q5_0(blocks: Array) -> QuantisedTensor:
    steps = _nibbles(_take(blocks, 6, 22)).reshape(*blocks.shape[:2], GROUP) | _fifth_bits(blocks, 2)
    return QuantisedTensor(_steps(steps), _halves(blocks, 0), _scales(_floats(blocks, 0) * -16), "int5")


def _q5_1(blocks: Array) -> QuantisedTensor:
    steps = _nibbles(_take(blocks, 8, 24)).reshape(*blocks.shape[:2], GROUP) | _fifth_bits(blocks, 4)
    return QuantisedTensor(_steps(steps), _halves(blocks, 0), _halves(blocks, 2), "int5")


def _q8_0(blocks: Array) -> QuantisedTensor:
    return QuantisedTensor(_steps(_take(blocks, 2, 34)).view(np.int8), _halves(blocks, 0))


def _k_scales(blocks: Array) -> tuple[Array, Array]:
    """Return scales and minima of the 8 groups of 32 of each block of Q4_K or Q5_K: 6 bits each, in 12 bytes."""
    low, high, rest = (_take(blocks, start, start + 4) for start in (4, 8, 12))
    scales = _interleave((low & 63, rest & 15 | shift_left(low >> 6, 4)), 4).reshape(*blocks.shape[:2], 8)
    minima = _interleave((high & 63, rest >> 4 | shift_left(high >> 6, 4)), 4).reshape(*blocks.shape[:2], 8)
    with np.errstate(all="ignore"):
        scale, minimum = _floats(blocks, 0)[..., None], -_floats(blocks, 2)[..., None]
        return _scales(scale * scales), _scales(minimum * minima)


def _q4_k(blocks: Array) -> QuantisedTensor:
    quants = _take(blocks, 16, 144).reshape(*blocks.shape[:2], 4, GROUP)  # two groups in the nibbles of each 32 bytes
    return QuantisedTensor(pack_nibbles(_steps(_nibbles(quants))), *_k_scales(blocks), "int4")


def _q5_k(blocks: Array) -> QuantisedTensor:
    quants, fifth = _take(blocks, 48, 176).reshape(*blocks.shape[:2], 4, GROUP), _take(blocks, 16, 48)
    upper = _interleave([shift_left(fifth >> bit & 1, 4) for bit in range(8)], GROUP)  # of each of 8 groups
    return QuantisedTensor(_steps(_nibbles(quants)) | _steps(upper), *_k_scales(blocks), "int5")


def _q6_k(blocks: Array) -> QuantisedTensor:
    low = _take(blocks, 0, 128).reshape(*blocks.shape[:2], 2, 64)  # of two halves of a block, each of 4 runs of 32
    high = _take(blocks, 128, 192).reshape(*blocks.shape[:2], 2, 32)
    upper = _interleave([shift_left(high >> bit & 3, 4) for bit in (0, 2, 4, 6)], 32)
    scales = _floats(blocks, 208)[..., None] * _take(blocks, 192, 208).view(np.int8)
    steps = _steps(_nibbles(low))
    steps |= _steps(upper)
    signed = steps.view(np.int8)
    signed -= 32
    return QuantisedTensor(signed, _scales(scales), kind="int6")


def _float_type(name: str, dtype: str) -> TensorType:
    size = FLOATS[dtype].itemsize
    return TensorType(name, 1, size, dtype, lambda rows: rows.view(FLOATS[dtype]))


def _block_type(
    name: str, block_size: int, block_bytes: int, kind: str, decode: Callable[[Array], QuantisedTensor]
) -> TensorType:
    """`decode`: from blocks [outputs, blocks, bytes of one] uint8."""
    return TensorType(
        name, block_size, block_bytes, kind, lambda rows: decode(rows.reshape(len(rows), -1, block_bytes))
    )


_TYPES = {
    0: _float_type("F32", "float32"),
    1: _float_type("F16", "float16"),
    30: _float_type("BF16", "bfloat16"),
    2: _block_type("Q4_0", 32, 18, "q4_0", _q4_0),
    3: _block_type("Q4_1", 32, 20, "int4", _q4_1),
    6: _block_type("Q5_0", 32, 22, "int5", _q5_0),
    7: _block_type("Q5_1", 32, 24, "int5", _q5_1),
    8: _block_type("Q8_0", 32, 34, "int8", _q8_0),
    12: _block_type("Q4_K", 256, 144, "int4", _q4_k),
    13: _block_type("Q5_K", 256, 176, "int5", _q5_k),
    14: _block_type("Q6_K", 256, 210, "int6", _q6_k),
}
"""Those that the kernel has a format for, by ggml.h's numbers."""


def tensor_type(number: int) -> TensorType | None:
    """Return a type by its number in ggml.h; None if there is none. Types that the kernel has not become 8 bits."""
    if number in _TYPES:
        return _TYPES[number]
    import gguf

    try:
        type_ = gguf.GGMLQuantizationType(number)
    except ValueError:
        return None
    return TensorType(type_.name, *gguf.GGML_QUANT_SIZES[type_], "int8", partial(_round_to_eight_bits, number))


def _round_to_eight_bits(number: int, rows: Array) -> QuantisedTensor:
    """Raises NotImplementedError for a type whose blocks the package cannot take apart."""
    import gguf

    with np.errstate(all="ignore"):  # a damaged scale is inf or NaN
        return quantise(np.array(gguf.dequantize(rows, gguf.GGMLQuantizationType(number)), np.float32))
