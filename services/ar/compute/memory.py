"""Arrays that steps are computed in on a CPU."""

import contextlib
import math
import mmap
from typing import Any

import numpy as np

from services.ar.model.arrays import Array, Shape

_LINE_BYTES = 64
_PAGE_BYTES = 2**21
_REGION_BYTES = 2**28


def zeros(shape: Shape, dtype: np.dtype[Any]) -> Array:
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


def empty(shape: Shape, dtype: np.dtype[Any]) -> Array:
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


class LargePages:
    """Memory for weights in pages of 2 MB, where the system has such pages (Linux' transparent huge pages).

    A step reads all weights once; with pages of 4 KB, looking up their addresses takes a part of its time. Memory is
    taken in regions that arrays share, and only as it is written to.
    """

    def __init__(self) -> None:
        self._region: Array = np.empty(0, np.uint8)
        self._num_taken = 0

    def empty(self, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """Return an array with nothing in it yet, that begins where a line of the caches does. Raises MemoryError."""
        num_bytes = math.prod(shape) * dtype.itemsize
        if num_bytes > len(self._region) - self._num_taken:
            self._region, self._num_taken = _region(max(num_bytes, _REGION_BYTES)), 0
        start = self._num_taken
        self._num_taken += -(-num_bytes // _LINE_BYTES) * _LINE_BYTES
        return self._region[start : start + num_bytes].view(dtype).reshape(shape)


def _region(num_bytes: int) -> Array:
    """Return memory that begins at a page of 2 MB."""
    try:
        memory = mmap.mmap(-1, num_bytes + _PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError:
        raise MemoryError(f"{num_bytes:,} bytes") from None
    if hasattr(mmap, "MADV_HUGEPAGE"):  # on Linux
        with contextlib.suppress(OSError):  # of a kernel built without them
            memory.madvise(mmap.MADV_HUGEPAGE)
    whole = np.frombuffer(memory, np.uint8)
    return whole[-whole.ctypes.data % _PAGE_BYTES :][:num_bytes]
