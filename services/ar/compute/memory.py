"""Arrays that steps are computed in on a CPU."""

import ctypes
import errno
import math
import mmap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from services.ar.model.arrays import Array, Shape

_LINE_BYTES = 64
_PAGE_BYTES = 2**21
_REGION_BYTES = 2**28
_MADV_COLLAPSE = 25
"""Of Linux 6.1 and newer; the module mmap does not name it."""
_LIBRARY = ctypes.CDLL(None, use_errno=True)
_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")


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
    """Memory for weights that comes to lie in pages of 2 MB, where the system has such pages (Linux' transparent huge
    pages).

    A step reads all weights once; with pages of 4 KB, looking up their addresses takes a part of its time. But in a
    virtual machine whose host has taken back what was free, the first write to a page of 2 MB may take several times as
    long as those to 512 small ones. So arrays are written in small pages, and `enlarge` puts large ones in their place.
    Memory is taken in regions that arrays share, and only as it is written to.
    """

    def __init__(self) -> None:
        self._regions: list[_Region] = []

    def empty(self, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """Return an array with nothing in it yet, that begins where a line of the caches does. Raises MemoryError."""
        num_bytes = math.prod(shape) * dtype.itemsize
        if not self._regions or num_bytes > self._regions[-1].num_left:
            self._regions.append(_Region(max(num_bytes, _REGION_BYTES)))
        return self._regions[-1].take(num_bytes).view(dtype).reshape(shape)

    def enlarge(self) -> None:
        """Put large pages in the place of small ones, in half of a core's time: others may wait for this process."""
        if not _may_have_large_pages():
            return
        for region in self._regions:
            for address in region.small_pages():
                started = time.monotonic()
                if _madvise(address, _PAGE_BYTES, _MADV_COLLAPSE) == errno.ENOMEM:
                    return  # the system goes on when there is room
                time.sleep(time.monotonic() - started)


class _Region:
    """Memory that begins at a page of 2 MB, given out from the front. Raises MemoryError."""

    def __init__(self, num_bytes: int) -> None:
        try:
            memory = mmap.mmap(-1, num_bytes + _PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError:
            raise MemoryError(f"{num_bytes:,} bytes") from None
        whole = np.frombuffer(memory, np.uint8)
        self._bytes = whole[-whole.ctypes.data % _PAGE_BYTES :][:num_bytes]
        self._num_taken = 0
        self._is_small = False
        if hasattr(mmap, "MADV_HUGEPAGE"):  # on Linux
            self._is_small = self._advise(_MADV_COLLAPSE, 0) == 0
            self._advise(mmap.MADV_NOHUGEPAGE if self._is_small else mmap.MADV_HUGEPAGE, num_bytes)

    @property
    def num_left(self) -> int:
        return len(self._bytes) - self._num_taken

    def take(self, num_bytes: int) -> Array:
        start = self._num_taken
        self._num_taken += -(-num_bytes // _LINE_BYTES) * _LINE_BYTES
        return self._bytes[start : start + num_bytes]

    def small_pages(self) -> Iterator[int]:
        """Yield the addresses of what can be put in large pages, 2 MB each; all of it was given out."""
        if self._is_small:
            self._advise(mmap.MADV_HUGEPAGE, len(self._bytes))
            for start in range(0, self._num_taken // _PAGE_BYTES * _PAGE_BYTES, _PAGE_BYTES):
                yield self._bytes.ctypes.data + start

    def _advise(self, advice: int, num_bytes: int) -> int:
        return _madvise(self._bytes.ctypes.data, num_bytes, advice)


def _madvise(address: int, num_bytes: int, advice: int) -> int:
    """Return 0, or the number of an error. Unlike that of `mmap`, this one lets go of Python's lock."""
    failed = _LIBRARY.madvise(ctypes.c_void_p(address), ctypes.c_size_t(num_bytes), advice)
    return ctypes.get_errno() if failed else 0


def _may_have_large_pages() -> bool:
    """Return whether the system's setting allows large pages. MADV_COLLAPSE ignores it, so we check."""
    try:
        return "[never]" not in _SETTING.read_text()
    except OSError:
        return False
