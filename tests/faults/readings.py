"""What a process holds: memory, files, threads; and the slope of a series of such readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression

import psutil


@dataclass(frozen=True)
class Reading:
    """What a process holds at one moment."""

    rss_bytes: int
    num_fds: int
    num_threads: int


def read(pid: int) -> Reading:
    """Return what the process holds now."""
    process = psutil.Process(pid)
    with process.oneshot():
        return Reading(process.memory_info().rss, process.num_fds(), process.num_threads())


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return the least-squares slope of `ys` over `xs`, 0 where all `xs` are one."""
    return linear_regression(xs, ys).slope if len(set(xs)) > 1 else 0.0
