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

_EXPONENTS = {"float16": np.uint16(0x7C00), "bfloat16": np.uint16(0x7F80)}
"""The bits of a float's exponent, all of which are set in what is NaN or infinite."""
_AT_ONCE = 2**17  # so that what is made of them stays in the caches, and is small


def pad(rows: Array, multiple: int) -> Array:
    """Fill the last axis up with 0 to a multiple."""
    missing = -rows.shape[-1] % multiple
    return np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, missing)]) if missing else rows


def all_finite(values: Array) -> bool:
    """Return whether no value is NaN or infinite. In 16 bits the exponents tell it: numpy's own way takes ten times."""
    exponent, flat = _EXPONENTS.get(values.dtype.name), values.reshape(-1)
    pieces = (flat[start : start + _AT_ONCE] for start in range(0, flat.size, _AT_ONCE))
    if exponent is None:
        return all(np.isfinite(piece).all() for piece in pieces)
    return all((piece.view(np.uint16) & exponent).max() < exponent for piece in pieces)


def shift_left(values: Array, num_bits: int) -> Array:
    """Return bytes [..., a multiple of 4] shifted; none may lose a bit. numpy's own shift of bytes takes ten times."""
    return (values.view(np.uint32) << np.uint32(num_bits)).view(np.uint8)
