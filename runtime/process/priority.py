"""How the cores are divided among the threads of a machine."""

import contextlib
import os
import sys


def give_way(steps: int) -> None:
    """Raise the nice value of the calling thread by `steps`; threads that it starts later inherit the value.

    Where others want the cores, each step is worth about a fifth of its share. Only on Linux does a thread have a nice
    value of its own; elsewhere this has no effect, nor in a sandbox that forbids it. It cannot be taken back without
    privileges.
    """
    if steps and sys.platform == "linux":
        with contextlib.suppress(PermissionError):
            os.nice(steps)
