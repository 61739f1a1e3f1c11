"""A named pipe that tells whether other processes live: they hold it open for writing until they end."""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT_SECONDS = 120


class AlivePipe:
    """The reader's end. `shell_words` is what a shell must run first so that it and its children hold the other one."""

    def __init__(self, path: Path, reader: int) -> None:
        self._reader = reader
        self.shell_words = f"exec 3>{path}; printf ! >&3"
        self.path = path

    def has_writers(self) -> bool:
        """Wait for the "!" of a process and return True, or return False once all who held the pipe have ended."""
        ready, _, _ = select.select([self._reader], [], [], LIMIT_SECONDS)
        assert ready, "nothing was written and the pipe was not closed"
        return os.read(self._reader, 1) == b"!"


@contextmanager
def alive_pipe(folder: Path) -> Iterator[AlivePipe]:
    """Make the pipe in a folder and yield it."""
    path = folder / "alive"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield AlivePipe(path, reader)
    finally:
        os.close(reader)
