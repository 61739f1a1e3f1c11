"""Whether the system lets the generator go first.

Where generator and servers share cores, a saturated server keeps a generator waiting for a core, and what was due is
sent late. A generator on a machine of its own would not wait; real-time scheduling comes as near to that as one machine
can. Linux grants it to root, or up to RLIMIT_RTPRIO (`ulimit -r`). A nice value would not do: with autogroups, Linux
weighs it within a session only.
"""

import contextlib
import os
import sys

LOWEST_REAL_TIME = 1


def go_first() -> bool:
    """Give this process, and the threads that it will start, real-time priority; return whether it has it now."""
    if sys.platform != "linux":
        return False
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(LOWEST_REAL_TIME))
    return os.sched_getscheduler(0) == os.SCHED_RR
