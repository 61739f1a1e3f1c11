"""Rows of a matrix in a file: those that were asked for, in that order, or an error in words."""

import numpy as np
import pytest

from services.ar.model.file_rows import read_rows
from tandem.shared.models import ModelError

MATRIX = np.arange(60, dtype=np.uint8).reshape(10, 6)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_bytes(b"head" + MATRIX.tobytes())
    return tmp_path / "file"


@pytest.mark.parametrize("rows", [[0], [9], [2, 3, 4], [7, 3, 5, 3], range(10)])
def test_rows_are_those_of_the_matrix(path, rows):
    found = read_rows(path, 4, 6, np.array(rows))
    np.testing.assert_array_equal(found, MATRIX[list(rows)])


def test_a_file_that_has_become_shorter(path):
    path.write_bytes(path.read_bytes()[:-1])
    np.testing.assert_array_equal(read_rows(path, 4, 6, np.array([8])), MATRIX[8:9])
    with pytest.raises(ModelError, match="is shorter than it was when it was opened"):
        read_rows(path, 4, 6, np.array([9]))


def test_a_file_that_is_gone(path):
    path.unlink()
    with pytest.raises(ModelError, match="No such file"):
        read_rows(path, 4, 6, np.array([0]))
