"""A compiled library as a file: checked, then loaded from the very descriptor that was checked.

The digest in its name finds a file that was cut short or damaged, which would end the process by SIGBUS once mapped.
It is not a signature: owner and mode are checked against files of other users.
"""

import ctypes
import hashlib
import os
import stat
from pathlib import Path

from tandem.shared.compiled.recipe import LibraryUnavailable
from tandem.shared.compiled.trust import foreign


class BadLibrary(LibraryUnavailable):
    """A file that is not to be loaded; says why."""


def open_library(path: Path) -> ctypes.CDLL:
    """Load a file that `build` has made. Raises BadLibrary if it is damaged, or others can have changed it."""
    descriptor = _open(path)
    try:
        _check(descriptor, path)
        # From here on the descriptor stays open: the loader knows a library by its name, so the same name must never
        # stand for another file.
        return ctypes.CDLL(_name(descriptor, path), use_errno=True)
    except BadLibrary:
        os.close(descriptor)
        raise
    except OSError as error:
        os.close(descriptor)
        raise BadLibrary(f"{path}: cannot be loaded: {error}") from None


def copy_library(path: Path, to: Path) -> None:
    """Copy a file that `build` has made, for another program to load. Raises BadLibrary as `open_library` does."""
    with open(_open(path), "rb") as file:
        _check(file.fileno(), path)
        file.seek(0)
        to.write_bytes(file.read())


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BadLibrary(f"{path}: {error.strerror}") from None


def _check(descriptor: int, path: Path) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise BadLibrary(f"{path}: not a regular file")
    if (reason := foreign(status)) is not None:
        raise BadLibrary(f"{path}: {reason}")
    with open(descriptor, "rb", closefd=False) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if path.stem.rpartition("-")[2] != digest:
        raise BadLibrary(f"{path}: its content is not what was compiled")


def _name(descriptor: int, path: Path) -> str:
    """Return the name of an open file for the loader, which opens by name; the path where there is no /proc."""
    name = f"/proc/self/fd/{descriptor}"
    return name if os.path.exists(name) else str(path)
