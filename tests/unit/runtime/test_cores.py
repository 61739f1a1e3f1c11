"""Cores under a container's quota, in both versions of cgroups; nice values of single threads."""

import os
import sys
import threading

import pytest

from runtime.cores import give_way, usable_cores

ALL = len(os.sched_getaffinity(0))
NICEST = 19


def write(folder, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, ALL),
        ({"cpu.max": "max 100000\n"}, ALL),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "110000 100000\n"}, min(ALL, 2)),
        ({"cpu.max": "6400000 100000\n"}, min(ALL, 64)),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, ALL),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
    ],
)
def test_a_quota_counts_whole_cores_and_never_adds_any(tmp_path, files, cores):
    write(tmp_path, files)
    assert usable_cores(tmp_path) == cores


def own_nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def in_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def before_and_after(steps: int) -> tuple[int, int, int]:
    before = own_nice()
    give_way(steps)
    return before, own_nice(), in_thread(own_nice)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no nice value of their own")
@pytest.mark.parametrize("steps", [0, 3, 40])
def test_a_thread_gives_way_with_those_that_it_starts_and_no_other(steps):
    here = own_nice()
    before, after, of_child = in_thread(lambda: before_and_after(steps))
    assert before == here
    assert after == of_child == min(before + steps, NICEST)
    assert own_nice() == here
