"""SHA-256 of files, computed in a thread while the process imports, reads and packs: as long as that takes a core."""

import hashlib
import mmap
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path

# So long a read, and so long a computation, lets go of Python's lock once. After each it waits for what holds the lock,
# for up to 5 ms where that is Python code, such as imports.
_BYTES_AT_ONCE = 16 * 2**20


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    # It begins where a page does. Memory of malloc begins 16 bytes later, and to copy pages of a file there takes four
    # times as long: what is read next seems to be what was just written.
    digest, buffer = hashlib.sha256(), memoryview(mmap.mmap(-1, _BYTES_AT_ONCE))
    with path.open("rb", buffering=0) as file:
        while num_bytes := file.readinto(buffer):
            digest.update(buffer[:num_bytes])
    return digest.hexdigest()


class FileHashes:
    """Keeps the hash of each file that it was asked for."""

    def __init__(self) -> None:
        self._hashes: dict[Path, Future[str]] = {}

    def begin(self, paths: Iterable[Path]) -> None:
        """Hash those files that are not yet begun, one after another in a thread that no end of the process waits for.

        One that cannot be read is for `of` to tell.
        """
        new = {path: Future[str]() for path in paths if path not in self._hashes}
        self._hashes |= new
        if new:
            threading.Thread(target=_hash, args=(new,), name="hashing", daemon=True).start()

    def of(self, path: Path) -> str:
        """Return the hexadecimal SHA-256 of a file, when it is there. Raises OSError."""
        if path not in self._hashes:
            self.begin([path])
        return self._hashes[path].result()


def _hash(files: dict[Path, Future[str]]) -> None:
    for path, outcome in files.items():
        try:
            outcome.set_result(sha256_of(path))
        except BaseException as error:  # of any kind: who waits must get it
            outcome.set_exception(error)
