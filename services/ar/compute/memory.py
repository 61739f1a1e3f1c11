"""Arrays that steps are computed in on a CPU."""

import math
import mmap
from typing import Any

import numpy as np

from services.ar.model.arrays import Array

_LINE_BYTES = 64


def zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return zeros that take memory only once written to: a large cache costs what is used of it.

    numpy asks for pages of 2 MB, of which a cache would take one for each head of each layer before it is used.
    Raises MemoryError.
    """
    count = math.prod(shape) * dtype.itemsize
    try:
        memory = mmap.mmap(-1, count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError:
        raise MemoryError(f"{count:,} bytes") from None
    if hasattr(mmap, "MADV_NOHUGEPAGE"):  # on Linux
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype).reshape(shape)


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array with nothing in it yet, that begins where a line of the caches does."""
    num_bytes = math.prod(shape) * dtype.itemsize
    memory = np.empty(num_bytes + _LINE_BYTES, np.uint8)
    start = -memory.ctypes.data % _LINE_BYTES
    return memory[start : start + num_bytes].view(dtype).reshape(shape)


def floats(values: Array) -> Array:
    """Return a copy of the values as float32, that begins where a line of the caches does."""
    copy = empty(values.shape, np.dtype(np.float32))
    copy[...] = values
    return copy
