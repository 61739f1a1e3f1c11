"""Weights in files: the rows that were asked for, in that order, or an error in words; and only finite ones."""

from pathlib import Path

import numpy as np
import pytest

from services.ar.model.quantised import QuantisedTensor, check_finite, read_rows
from tandem.shared.models import ModelError

MATRIX = np.arange(60, dtype=np.uint8).reshape(10, 6)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_bytes(b"head" + MATRIX.tobytes())
    return tmp_path / "file"


def test_rows_are_those_of_the_matrix(path):
    for rows in ([0], [9], [2, 3, 4], [7, 3, 5, 3], range(10)):
        np.testing.assert_array_equal(read_rows(path, 4, 6, np.array(rows)), MATRIX[list(rows)])


def test_a_file_that_has_become_shorter_or_is_gone(path):
    path.write_bytes(path.read_bytes()[:-1])
    np.testing.assert_array_equal(read_rows(path, 4, 6, np.array([8])), MATRIX[8:9])
    with pytest.raises(ModelError, match="is shorter than it was when it was opened"):
        read_rows(path, 4, 6, np.array([9]))
    path.unlink()
    with pytest.raises(ModelError, match="No such file"):
        read_rows(path, 4, 6, np.array([0]))


@pytest.mark.parametrize("part", ["scales", "minima"])
def test_scales_and_minima_must_be_finite(part: str) -> None:
    halves = {"scales": np.ones((2, 1), np.float16), "minima": np.ones((2, 1), np.float16)}
    tensor = QuantisedTensor(np.zeros((2, 16), np.uint8), **halves, kind="int4")
    assert check_finite(Path("model.gguf"), "blk.0.attn_q.weight", tensor) is tensor
    halves[part][1, 0] = np.inf
    with pytest.raises(ModelError, match=r"^model.gguf: 'blk.0.attn_q.weight' holds NaN or infinity; accepted: finite"):
        check_finite(Path("model.gguf"), "blk.0.attn_q.weight", tensor)
