"""One packed matrix: from the tensors that its format keeps of it to steps, scales and minima.

With q the stored steps, z the zero points and s the scales of groups of inputs, a weight is s * (q - z): the kernel's
scale * step + minimum with the minimum -s * z. Groups of more than 32 inputs give their scale to each 32 of them.
Scales and minima become float16, which changes them by at most one part in 2,048.
"""

from collections.abc import Mapping

import numpy as np

from services.ar.model.arrays import Array, Shape
from services.ar.model.huggingface.packed.scheme import Scheme
from services.ar.model.quantised import GROUP, QuantisedTensor, in_nibbles, quantise

_MIDDLE_OF_8_BITS = 128
_AWQ_PLACES = (0, 4, 1, 5, 2, 6, 3, 7)
"""Which of an integer's eight steps each of eight outputs in turn is; see AutoAWQ's packing_utils.py."""


def suffixes(scheme: Scheme) -> tuple[str, ...]:
    """Return what a module's packed tensors are called, the one with the steps first."""
    if scheme.format == "compressed":
        zeros = () if scheme.is_symmetric else ("weight_zero_point",)
        return "weight_packed", "weight_scale", *zeros
    return "qweight", "scales", "qzeros"


OPTIONAL = ("weight_shape", "weight_g_idx", "g_idx")
"""May be there beside them: the shape, which follows from the others, and the group of each input."""


def shape_of(shapes: Mapping[str, Shape], scheme: Scheme) -> Shape | None:
    """Return (outputs, inputs) of a matrix whose tensors have these shapes by suffix, None if they do not fit."""
    steps, scales, *zeros = (shapes[each] for each in suffixes(scheme))
    if any(len(each) != 2 for each in (steps, scales, *zeros)):
        return None
    per_word = scheme.per_word
    if scheme.format == "compressed":
        (num_outputs, num_words), num_groups = steps, scales[1]
        num_inputs, wanted_scales = num_words * per_word, (num_outputs, num_groups)
        wanted_zeros = (-(-num_outputs // per_word), num_groups)
    else:
        num_groups = scales[0]
        is_by_input = scheme.format == "gptq"
        num_inputs, num_outputs = (steps[0] * per_word, steps[1]) if is_by_input else (steps[0], steps[1] * per_word)
        wanted_scales, wanted_zeros = (num_groups, num_outputs), (num_groups, -(-num_outputs // per_word))
    fits = scales == wanted_scales and all(each == wanted_zeros for each in zeros)
    has_groups = num_groups > 0 and num_inputs % num_groups == 0 and num_inputs // num_groups % GROUP == 0
    groups = next((shapes[each] for each in ("g_idx", "weight_g_idx") if each in shapes), (num_inputs,))
    return (num_outputs, num_inputs) if fits and has_groups and groups == (num_inputs,) else None


def matrix(tensors: Mapping[str, Array], scheme: Scheme) -> QuantisedTensor:
    """Return weights [outputs, inputs] of the tensors by suffix, whose shapes fit; in 4 bits, or in 8.

    Inputs whose groups do not follow each other (GPTQ's `desc_act`) and 8 bits with zero points are rounded to 8 bits.
    """
    steps, scales, zeros = _parts(tensors, scheme)
    num_inputs, num_groups = steps.shape[1], scales.shape[1]
    in_order = np.arange(num_inputs) // (num_inputs // num_groups)
    groups = next((tensors[each] for each in ("g_idx", "weight_g_idx") if each in tensors), in_order)
    with np.errstate(all="ignore"):  # a damaged scale is inf or NaN
        if np.array_equal(groups, in_order):
            halves = _each_group(scales.astype(np.float16), num_inputs)
            if scheme.num_bits == 4:
                minima = _each_group((scales * -zeros).astype(np.float16), num_inputs)
                return QuantisedTensor(in_nibbles(steps), halves, minima, "int4")
            if (zeros == _MIDDLE_OF_8_BITS).all():
                return QuantisedTensor((steps ^ np.uint8(_MIDDLE_OF_8_BITS)).view(np.int8), halves)
        groups = groups.clip(0, num_groups - 1)
        return quantise((steps - zeros[:, groups]) * scales[:, groups])


def _parts(tensors: Mapping[str, Array], scheme: Scheme) -> tuple[Array, Array, Array]:
    """Return steps uint8 [outputs, inputs], scales and zero points float32 [outputs, groups]."""
    packed, scales, *zeros = (tensors[each] for each in suffixes(scheme))
    if scheme.format == "compressed":
        steps, scales = _unpacked(packed, scheme.num_bits), scales.astype(np.float32)
        found = [_unpacked(each.T, scheme.num_bits).T[: len(steps)].astype(np.float32) for each in zeros]
        return steps, scales, found[0] if found else np.full_like(scales, 2 ** (scheme.num_bits - 1))
    scales, stored_zeros = np.ascontiguousarray(scales.T, np.float32), zeros[0]
    if scheme.format == "gptq":
        steps, zero_points = _unpacked(packed.T, scheme.num_bits), _unpacked(stored_zeros, scheme.num_bits)
    else:
        by_input, zero_points = (_in_order(_unpacked(each, scheme.num_bits)) for each in (packed, stored_zeros))
        steps = np.ascontiguousarray(by_input.T)
    return steps, scales, zero_points[:, : len(scales)].T.astype(np.float32) + scheme.zero_offset


def _unpacked(words: Array, num_bits: int) -> Array:
    """Return the steps in integers [n, words], the lowest bits first: [n, words * 32 / num_bits] uint8."""
    by_byte = np.ascontiguousarray(words).view(np.uint8)  # little-endian, as safetensors are
    if num_bits == 8:
        return by_byte
    return np.stack([by_byte & 15, by_byte >> 4], axis=-1).reshape(len(words), -1)


def _in_order(steps: Array) -> Array:
    eights = steps.reshape(len(steps), -1, 8)
    return eights[..., list(_AWQ_PLACES)].reshape(steps.shape)


def _each_group(values: Array, num_inputs: int) -> Array:
    """Return [outputs, groups] for each 32 inputs: [outputs, inputs / 32]."""
    return values.repeat(num_inputs // GROUP // values.shape[1], axis=1)
