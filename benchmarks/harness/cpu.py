"""CPU time of processes and of all that they have started, once they have done what they had to; Linux only."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from tandem.measure.meters.cpu import cpu_seconds_below

QUIET_SECONDS = 0.3
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def cpu(pids: Sequence[int]) -> float:
    """Return the CPU seconds, user and system, of these processes and their descendants; none of one that has ended."""
    return sum(map(cpu_seconds_below, pids))


def settled_cpu(pids: Sequence[int], longest_seconds: float = 3.0) -> float:
    """Return the same once the processes have finished what they still had to do for earlier requests.

    That is: once they have used no more than one tick in QUIET_SECONDS, at the latest after `longest_seconds`.
    """
    deadline = time.monotonic() + longest_seconds
    before = cpu(pids)
    while True:
        time.sleep(QUIET_SECONDS)
        after = cpu(pids)
        if after - before <= 1.5 * _TICK_SECONDS or time.monotonic() >= deadline:
            return after
        before = after
