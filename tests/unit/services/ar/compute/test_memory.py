"""Arrays of steps on a CPU: where they begin, that a cache takes no memory before it is used, and large pages."""

import mmap
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from services.ar.compute import memory
from services.ar.compute.memory import LargePages, empty, floats, zeros
from services.ar.model.arrays import FLOATS, Array


def has_large_pages() -> bool:
    """Return whether an area of memory can be given large pages in the place of small ones."""
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.exists() or "[never]" in setting.read_text():
        return False
    try:
        mmap.mmap(-1, mmap.PAGESIZE).madvise(25, 0, 0)  # MADV_COLLAPSE
    except OSError:
        return False
    return True


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("shape", [(1,), (3, 5), (1000, 7)])
def test_arrays_begin_at_a_cache_line(shape):
    for array in (empty(shape, FLOATS["bfloat16"]), floats(np.ones(shape))):
        assert array.shape == shape
        assert array.ctypes.data % 64 == 0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux' own count of pages")
def test_zeros_take_memory_only_once_written_to():
    before = resident_bytes()
    cache = zeros((4, 2**28), FLOATS["float16"])  # 2 GiB
    cache[2, :1000] = 1
    assert resident_bytes() - before < 2**24
    assert cache[2, :1001].sum() == 1000


def test_zeros_that_no_memory_holds():
    with pytest.raises(MemoryError, match=r"144,115,188,075,855,872 bytes"):
        zeros((2**55,), FLOATS["float32"])


def test_arrays_in_large_pages_lie_apart_and_begin_at_cache_lines():
    pages = LargePages()
    shapes = [(5, 7), (2**20, 3), (1,), (2**27,), (2**27 + 1,), (3,)]  # the last but one needs a region of its own
    arrays = [pages.empty(shape, FLOATS["float16"]) for shape in shapes]
    assert [array.shape for array in arrays] == shapes
    assert all(array.ctypes.data % 64 == 0 for array in arrays)
    bounds = sorted((array.ctypes.data, array.ctypes.data + array.nbytes) for array in arrays)
    assert all(end <= start for (_, end), (start, _) in pairwise(bounds))


@pytest.mark.skipif(not has_large_pages(), reason="no large pages here, or none that take the place of small ones")
def test_large_pages_come_later_and_keep_what_is_written():
    pages = LargePages()
    array = pages.empty((2**22,), FLOATS["float32"])
    array[:] = np.arange(len(array))
    assert large_bytes(array) == 0
    pages.enlarge()
    assert large_bytes(array) == 2**24
    assert np.array_equal(array, np.arange(len(array)))


@pytest.mark.skipif(not has_large_pages(), reason="here arrays are in large pages from the start, or there are none")
def test_where_there_are_to_be_no_large_pages_there_are_none(monkeypatch, tmp_path):
    (tmp_path / "enabled").write_text("always madvise [never]")
    for setting in (tmp_path / "enabled", tmp_path / "missing"):
        monkeypatch.setattr(memory, "_SETTING", setting)
        pages = LargePages()
        array = pages.empty((2**22,), FLOATS["float32"])
        array[:] = 1
        pages.enlarge()
        assert large_bytes(array) == 0


def large_bytes(array: Array) -> int:
    """Return how many bytes of the area of memory that has the array are in large pages."""
    smaps = Path("/proc/self/smaps")
    lines = smaps.read_text().splitlines() if smaps.exists() else []
    first = next((number for number, line in enumerate(lines) if holds(line, array.ctypes.data)), len(lines))
    found = (line.split()[1] for line in lines[first:] if line.startswith("AnonHugePages:"))
    return 1024 * int(next(found, 0))


def holds(line: str, address: int) -> bool:
    """Return whether a line of smaps names an area of memory with the address."""
    bounds = line.split(" ")[0].split("-")
    try:
        first, end = (int(bound, 16) for bound in bounds)
    except ValueError:
        return False
    return first <= address < end
