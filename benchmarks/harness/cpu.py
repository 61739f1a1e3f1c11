"""CPU time of a process and of all that it has started; Linux only."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

QUIET_SECONDS = 0.3
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cpu:
    """CPU seconds, user and system: of a process itself, and of its living descendants."""

    own: float
    descendants: float

    @property
    def total(self) -> float:
        return self.own + self.descendants

    def since(self, before: Cpu) -> Cpu:
        """Return what was used after `before`."""
        return Cpu(self.own - before.own, self.descendants - before.descendants)


def cpu(pids: Sequence[int]) -> Cpu:
    """Return what these processes and their descendants have used so far; nothing of one that has ended."""
    own = descendants = 0.0
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            own += _seconds(process)
            descendants += sum(map(_seconds, process.children(recursive=True)))
    return Cpu(own, descendants)


def _seconds(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):  # ended meanwhile
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def settled_cpu(pids: Sequence[int], longest_seconds: float = 3.0) -> Cpu:
    """Return the same once the processes have finished what they still had to do for earlier requests.

    That is: once they have used no more than one tick in QUIET_SECONDS, at the latest after `longest_seconds`.
    """
    deadline = time.monotonic() + longest_seconds
    before = cpu(pids)
    while True:
        time.sleep(QUIET_SECONDS)
        after = cpu(pids)
        if after.since(before).total <= 1.5 * _TICK_SECONDS or time.monotonic() >= deadline:
            return after
        before = after
