"""Arrays of steps on a CPU: where they begin, and that a cache takes no memory before it is used."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from services.ar.compute.memory import LargePages, empty, floats, zeros
from services.ar.model.arrays import FLOATS


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("shape", [(1,), (3, 5), (1000, 7)])
def test_arrays_begin_at_a_cache_line(shape):
    for array in (empty(shape, FLOATS["bfloat16"]), floats(np.ones(shape))):
        assert array.shape == shape
        assert array.ctypes.data % 64 == 0


def test_floats_are_a_copy_of_the_values():
    values = np.arange(6, dtype=np.float64).reshape(2, 3)
    copy = floats(values.T)
    values += 1
    assert copy.dtype == np.float32
    assert copy.flags.c_contiguous
    assert copy.tolist() == [[0, 3], [1, 4], [2, 5]]


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


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage/enabled").exists(), reason="no huge pages here")
def test_a_region_asks_for_large_pages():
    array = LargePages().empty((2**20,), FLOATS["float32"])
    areas = Path("/proc/self/smaps").read_text().split("VmFlags:")
    with_array = next(area for area in areas if any(holds(line, array.ctypes.data) for line in area.splitlines()))
    flags = areas[areas.index(with_array) + 1].splitlines()[0].split()
    assert "hg" in flags


def holds(line: str, address: int) -> bool:
    """Return whether a line of smaps names an area of memory with the address."""
    bounds = line.split(" ")[0].split("-")
    try:
        first, end = (int(bound, 16) for bound in bounds)
    except ValueError:
        return False
    return first <= address < end
