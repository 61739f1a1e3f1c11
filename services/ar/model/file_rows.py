"""Rows of a matrix in a file; read, because pages of a mapping would stay in memory beside what is made of them."""

from pathlib import Path

import numpy as np

from tandem.shared.models import ModelError


def read_rows(path: Path, start: int, row_bytes: int, rows: np.ndarray) -> np.ndarray:
    """Return rows [n, row_bytes] uint8, by their numbers, of a matrix that begins at byte `start`. Raises ModelError.

    All between the first and the last of them are read.
    """
    first, num_rows = int(rows.min()), int(rows.max()) + 1 - int(rows.min())
    try:
        found = np.fromfile(path, np.uint8, num_rows * row_bytes, offset=start + first * row_bytes)
    except OSError as error:
        raise ModelError(f"{path}: {error}") from None
    if len(found) < num_rows * row_bytes:
        raise ModelError(f"{path}: is shorter than it was when it was opened")
    found = found.reshape(num_rows, row_bytes)
    return found if np.array_equal(rows, np.arange(first, first + num_rows)) else found[rows - first]
