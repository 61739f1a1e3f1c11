"""Cores under a container's quota, in both versions of cgroups."""

import os

import pytest

from runtime.cores import usable_cores

ALL = len(os.sched_getaffinity(0))


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
