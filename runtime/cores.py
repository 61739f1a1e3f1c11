"""How many cores a process may keep busy, and which of its threads give way to others.

Cores are those it may run on, or fewer where its container has a quota of CPU time.
"""

import contextlib
import math
import os
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Return how many threads can compute at a time. More would take turns, and a quota would stop them all at once."""
    return min(len(os.sched_getaffinity(0)), math.ceil(_quota_cores(cgroup)))


def _quota_cores(cgroup: Path) -> float:
    """Return the quota in cores, from version 2 or 1 of cgroups; without a quota, the number of cores."""
    for quota_file, period_file in (("cpu.max", "cpu.max"), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        quota, period = _words(cgroup / quota_file)[:1], _words(cgroup / period_file)[-1:]
        if quota and period and quota[0].isdecimal():
            return int(quota[0]) / int(period[0])
    return float(os.cpu_count() or 1)


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def give_way(steps: int) -> None:
    """Raise the nice value of the calling thread by `steps`; threads that it starts later inherit the value.

    Where others want the cores, each step is worth about a fifth of its share. Only on Linux does a thread have a nice
    value of its own; elsewhere this has no effect, nor in a sandbox that forbids it. It cannot be taken back without
    privileges.
    """
    if steps and sys.platform == "linux":
        with contextlib.suppress(PermissionError):
            os.nice(steps)
