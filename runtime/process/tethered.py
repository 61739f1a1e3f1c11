"""`python -m runtime.process.tethered PARENT COMMAND...`: become a command that gets SIGTERM when PARENT dies.

PARENT is its id. `kill -9` of it leaves nothing behind: the kernel does it, on Linux; elsewhere the command just runs.
The signal may come once for each thread that PARENT had, so the command may end at once rather than in order.
"""

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1


def tether(parent: int) -> None:
    """Ask for SIGTERM at the parent's death; exit if it has died already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit(1)


if __name__ == "__main__":
    tether(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  a fixed argument list, no shell
