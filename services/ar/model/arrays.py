"""Arrays of weights, and the types of floats that checkpoints hold them in, bfloat16 among them (from ml_dtypes)."""

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

FLOATS: dict[str, np.dtype[Any]] = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}


def padded(rows: Array, multiple: int) -> Array:
    """Fill the last axis up with 0 to a multiple."""
    missing = -rows.shape[-1] % multiple
    return np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, missing)]) if missing else rows


def shifted_left(values: Array, num_bits: int) -> Array:
    """Return bytes [..., a multiple of 4] shifted; none may lose a bit. numpy's own shift of bytes takes ten times."""
    return (values.view(np.uint32) << np.uint32(num_bits)).view(np.uint8)
