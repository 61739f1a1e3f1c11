"""CPU time of a process and of all that it has started, and of the whole machine, from /proc; Linux only."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM = 1, 11, 12  # places in /proc/PID/stat behind the name


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


def cpu(pid: int) -> Cpu:
    """Return what the process `pid` and its descendants have used so far."""
    processes = dict(_processes())
    seconds = [processes[each][1] / _TICKS_PER_SECOND for each in _family(pid, processes)]
    return Cpu(sum(seconds[:1]), sum(seconds[1:]))


def settled_cpu(pid: int, quiet_seconds: float = 0.3, longest_seconds: float = 3.0) -> Cpu:
    """Return the same once the processes have finished what they still had to do for earlier requests.

    That is: once they have used no more than one tick in `quiet_seconds`, at the latest after `longest_seconds`.
    """
    deadline = time.monotonic() + longest_seconds
    before = cpu(pid)
    while True:
        time.sleep(quiet_seconds)
        after = cpu(pid)
        if after.since(before).total <= 1.5 / _TICKS_PER_SECOND or time.monotonic() >= deadline:
            return after
        before = after


def machine_cpu() -> float:
    """Return the CPU seconds of all processes of the machine so far, and those that its host kept from it.

    Time spent in interrupts is left out, because the kernel does not charge it to any process.
    """
    user, nice, system, _, _, _, _, steal = map(int, Path("/proc/stat").read_text().split(maxsplit=9)[1:9])
    return (user + nice + system + steal) / _TICKS_PER_SECOND


def _family(pid: int, processes: dict[int, tuple[int, int]]) -> list[int]:
    found = [pid] if pid in processes else []
    for member in found:  # grows while it is read: children of children
        found += [each for each, (parent, _) in processes.items() if parent == member]
    return found


def _processes() -> list[tuple[int, tuple[int, int]]]:
    """Return the parent and the ticks of every process that there is."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The name may hold anything, brackets too, but it is the only part that has any.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        found.append((int(folder.name), (int(fields[_PARENT]), int(fields[_USER]) + int(fields[_SYSTEM]))))
    return found
