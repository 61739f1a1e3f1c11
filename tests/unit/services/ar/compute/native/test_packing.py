"""What is packed: the same whether a matrix is read as a whole or in pieces, from memory or from its file."""

import numpy as np
import pytest

from services.ar.compute.native import packing
from services.ar.compute.native.packing import STORED, PackedMatrix, PackedPart, pack
from services.ar.model.arrays import FLOATS, Array
from services.ar.model.quantised import (
    Q4_0_MIDDLE,
    QuantisedTensor,
    StoredMatrix,
    Weights,
    add_minima,
    as_array,
    format_of,
    quantise,
    rearrange,
)
from tests.kernels import USABLE_LEVELS
from tests.unit.services.ar.compute.native.formats import DTYPES, kernel, round_weights

NUM_INPUTS = 96
FORMATS = [dtype for dtype in DTYPES if dtype != "mixed"]


def weights(num_rows: int, format_: str) -> Weights:
    values = np.random.default_rng(num_rows).standard_normal((num_rows, NUM_INPUTS), np.float32)
    if "float" in format_:
        return values.astype(FLOATS[format_])
    return quantise(values) if format_ == "int8" else round_weights(values, format_)


def stored(matrix: Weights) -> StoredMatrix:
    """Return the matrix as one that is read by rows."""
    return StoredMatrix(
        np.arange(matrix.shape[0]),
        NUM_INPUTS,
        format_of(matrix),
        lambda rows: rearrange(matrix, lambda all_: all_[rows]),
    )


def tensors(matrix: PackedMatrix) -> list[Array]:
    return [tensor for part in matrix.parts for tensor in (part.data, part.scales) if tensor is not None]


def assert_same(found: PackedMatrix, expected: PackedMatrix) -> None:
    assert [(part.format, part.num_outputs) for part in found.parts] == [
        (part.format, part.num_outputs) for part in expected.parts
    ]
    for ours, theirs in zip(tensors(found), tensors(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("alternate", [False, True])
def test_pieces_make_the_whole(alternate, monkeypatch):
    for format_ in FORMATS:
        parts = [weights(num_rows, format_) for num_rows in ((80, 80) if alternate else (80, 48, 30))]
        expected = pack(parts, STORED, kernel(), alternate)
        with monkeypatch.context() as patch:
            patch.setattr(packing, "_WEIGHTS_AT_ONCE", 32 * NUM_INPUTS)
            assert_same(pack([stored(part) for part in parts], STORED, kernel(), alternate), expected)


def test_types_are_changed_piece_by_piece(monkeypatch):
    parts = [weights(80, "int4"), weights(48, "float16")]
    expected = {dtype: pack(parts, dtype, kernel()) for dtype in ("float32", "bfloat16", "int8")}
    monkeypatch.setattr(packing, "_WEIGHTS_AT_ONCE", 32 * NUM_INPUTS)
    for dtype, whole in expected.items():
        assert_same(pack([stored(part) for part in parts], dtype, kernel()), whole)


def test_gate_and_up_of_two_types_of_four_bits_stay_in_four():
    gate, up = weights(64, "q4_0"), weights(64, "int4")
    assert isinstance(gate, QuantisedTensor)
    np.testing.assert_array_equal(add_minima(gate).dequantise(), gate.dequantise())
    found, expected = (pack(parts, STORED, kernel(), alternate=True) for parts in ([gate, up], [add_minima(gate), up]))
    assert_same(found, expected)


@pytest.mark.parametrize("level", USABLE_LEVELS)
@pytest.mark.parametrize("alternate", [False, True])
def test_each_weight_lies_where_its_format_says(alternate, level):
    """Parts end in the midst of a panel, and what fills up the last one is 0."""
    for format_ in FORMATS:
        parts = [weights(num_rows, format_) for num_rows in ((40, 40) if alternate else (20, 33, 30))]
        (part,) = pack(parts, STORED, kernel(level), alternate).parts
        rows = [as_array(of_part).astype(np.float32) for of_part in parts]
        if alternate:
            filled = [np.pad(values, [(0, 24), (0, 0)]).reshape(4, 16, NUM_INPUTS) for values in rows]
            expected = np.stack(filled, axis=1).reshape(-1, NUM_INPUTS)
        else:
            expected = np.pad(np.concatenate(rows), [(0, 13), (0, 0)])
        np.testing.assert_array_equal(unpacked(part), expected)


def unpacked(part: PackedPart) -> Array:
    """Return the weights [outputs, inputs] of a part, float32, as matrix.h describes where they are."""
    if part.scales is None:
        return part.data.astype(np.float32).swapaxes(1, 2).reshape(part.num_outputs, -1)
    quads = part.data.reshape(*part.data.shape[:3], 16, 4)  # [panels, groups, vectors, lanes, 4 inputs]
    if part.format == "int8":
        steps = quads.astype(np.int16) - 128
    else:
        steps = np.concatenate([quads[:, :, :4] & 15, quads[:, :, :4] >> 4], axis=2).astype(np.int16)
        for quad in range(8):
            if part.format == "int5":
                steps[:, :, quad] |= (quads[:, :, 4].astype(np.int16) >> quad & 1) << 4
            if part.format == "int6":
                steps[:, :, quad] |= (quads[:, :, 4 + quad // 4].astype(np.int16) >> 2 * (quad % 4) & 3) << 4
    steps -= {"int6": 32, "q4_0": Q4_0_MIDDLE}.get(part.format, 0)
    scales = part.scales.astype(np.float32)[..., None]  # [panels, groups, 1 or 2, lanes, 1]
    values = steps * (np.repeat(scales, 4, axis=2) if part.format == "int6" else scales[:, :, :1])
    if part.format in ("int4", "int5"):
        values = values + scales[:, :, 1:]
    return values.astype(np.float32).transpose(0, 3, 1, 2, 4).reshape(part.num_outputs, -1)
