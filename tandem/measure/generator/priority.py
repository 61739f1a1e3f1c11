"""Whether the system lets the generator go first.

Where generator and servers share cores, a saturated server keeps a generator waiting for a core, and what was due is
sent late. A generator on a machine of its own would not wait; real-time scheduling comes as near to that as one machine
can. Linux grants it to root, or up to RLIMIT_RTPRIO (`ulimit -r`). A nice value would not do: with autogroups, Linux
weighs it within a session only.
"""

import contextlib
import os
import sys


def go_first(process: int = 0) -> bool:
    """Give a process real-time priority; return whether it has it. 0: the calling thread and those it starts."""
    if sys.platform != "linux":
        return False
    with contextlib.suppress(OSError):
        os.sched_setscheduler(process, os.SCHED_RR, os.sched_param(1))  # the lowest
    return is_first(process)


def is_first(process: int = 0) -> bool:
    """Return whether a process has real-time priority; 0: the calling thread. One that has ended has none."""
    if sys.platform != "linux":
        return False
    try:
        return os.sched_getscheduler(process) == os.SCHED_RR
    except ProcessLookupError:
        return False


def wait_like_all() -> None:
    """Give the calling thread's real-time priority up."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
