"""What is packed: the same whether a matrix is read as a whole or in pieces, from memory or from its file."""

import numpy as np
import pytest

from services.ar.compute.native.packing import STORED, PackedMatrix, pack
from services.ar.model import quantised
from services.ar.model.arrays import FLOATS, Array
from services.ar.model.quantised import (
    QuantisedTensor,
    StoredMatrix,
    Weights,
    format_of,
    quantise,
    rearranged,
    with_minima,
)
from tests.unit.services.ar.compute.native.formats import DTYPES, few_bits

NUM_INPUTS = 96
FORMATS = [dtype for dtype in DTYPES if dtype != "mixed"]


def weights(num_rows: int, format_: str) -> Weights:
    values = np.random.default_rng(num_rows).standard_normal((num_rows, NUM_INPUTS), np.float32)
    if "float" in format_:
        return values.astype(FLOATS[format_])
    return quantise(values) if format_ == "int8" else few_bits(values, format_)


def stored(matrix: Weights) -> StoredMatrix:
    """Return the matrix as one that is read by rows."""
    return StoredMatrix(
        np.arange(matrix.shape[0]),
        NUM_INPUTS,
        format_of(matrix),
        lambda rows: rearranged(matrix, lambda all_: all_[rows]),
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
@pytest.mark.parametrize("format_", FORMATS)
def test_pieces_make_the_whole(format_, alternate, monkeypatch):
    parts = [weights(each, format_) for each in ((80, 80) if alternate else (80, 48, 30))]
    expected = pack(parts, STORED, alternate)
    monkeypatch.setattr(quantised, "_WEIGHTS_AT_ONCE", 32 * NUM_INPUTS)
    assert_same(pack([stored(part) for part in parts], STORED, alternate), expected)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_types_are_changed_piece_by_piece(dtype, monkeypatch):
    parts = [weights(80, "int4"), weights(48, "float16")]
    expected = pack(parts, dtype)
    monkeypatch.setattr(quantised, "_WEIGHTS_AT_ONCE", 32 * NUM_INPUTS)
    assert_same(pack([stored(part) for part in parts], dtype), expected)


def test_gate_and_up_of_two_types_of_four_bits_stay_in_four():
    gate, up = weights(64, "q4_0"), weights(64, "int4")
    assert isinstance(gate, QuantisedTensor)
    np.testing.assert_array_equal(with_minima(gate).dequantise(), gate.dequantise())
    assert_same(pack([gate, up], STORED, alternate=True), pack([with_minima(gate), up], STORED, alternate=True))
