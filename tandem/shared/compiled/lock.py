"""Locks between the processes of one user: files in the folder of compiled libraries. A lock ends with its process."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

COMPILING = "compiling.lock"
"""Shared by all that compile; who measures the machine's speed holds it alone."""


@contextlib.contextmanager
def hold_lock(path: Path, is_shared: bool = False) -> Iterator[None]:
    """Wait for the lock, and hold it. Where the file cannot be written there is no lock, and no waiting."""
    try:
        file = path.open("w")
    except OSError:
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX)
        yield
