"""What a process holds: memory, now and at its peak, files, threads; and the slope of a series of such readings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression

import psutil

MIB = 1 << 20
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_NOW = re.compile(r"VmRSS:\s+(\d+) kB")


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


class PeakMemory:
    """The most memory held since its making, as the kernel saw it: no sampling misses a peak. Linux only."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        (self._folder / "clear_refs").write_text("5")  # the peak becomes what is held now
        self._before = self._kilobytes(_NOW)

    def growth_mib(self) -> float:
        """Return by how much the peak exceeds what was held at the beginning, in MiB."""
        return (self._kilobytes(_PEAK) - self._before) / 1024

    def _kilobytes(self, pattern: re.Pattern[str]) -> int:
        found = pattern.search((self._folder / "status").read_text())
        if found is None:
            raise LookupError("the process has ended")
        return int(found[1])
