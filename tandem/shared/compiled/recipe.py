"""How a shared library is compiled, and where it is kept.

A compiled library lies in a folder as NAME-SOURCES-CONTENT.so. SOURCES is a hash of the sources and the flags, so that
other sources make another library. CONTENT is the SHA-256 of the file, by which `library_file` sees before it loads one
whether the file is whole. Knows nothing of what a library does; needs only the standard library.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tandem.shared.compiled.compiler import LIMIT_SECONDS, CompilerFailed, compile_sources, find_compiler
from tandem.shared.compiled.lock import COMPILING, hold_lock

_SCRATCH = "building-"


class LibraryUnavailable(Exception):
    """There is no compiled library and none can be made; says why."""


class CannotKeep(LibraryUnavailable):
    """The folder cannot be written; elsewhere the library can perhaps be made."""


@dataclass(frozen=True)
class Recipe:
    """One library: `what` it is in messages, `name` in its file's name; `libraries` are what it is linked with."""

    what: str
    name: str
    sources: Path  # folder, of which all *.h and *.cpp count, those in its folders too
    units: tuple[str, ...]  # files in it that are compiled
    flags: tuple[str, ...]
    libraries: tuple[str, ...] = ()
    shared_headers: tuple[Path, ...] = ()  # that the sources include from other folders

    def kept(self, folder: Path) -> Path:
        """Return the path of a compiled library in `folder`, compiling it if there is none.

        The file is only found, not checked: `library_file.open_library` does that. Raises LibraryUnavailable.
        """
        return next(iter(self.found(folder)), None) or self.compiled(folder)

    def found(self, folder: Path) -> list[Path]:
        """Return the libraries in `folder` that were made by this recipe; more than one is unusual."""
        return sorted(folder.glob(f"{self._stem()}-*.so"))

    def compiled(self, folder: Path) -> Path:
        """Compile into `folder`, whatever is there, and return the path. Raises LibraryUnavailable, CannotKeep.

        The file appears under its name in one step, when it is whole.
        """
        try:
            compiler = find_compiler()
            _make(folder)
            _sweep(folder)
            with tempfile.TemporaryDirectory(dir=folder, prefix=_SCRATCH) as scratch:
                made = Path(scratch) / "made.so"
                units = [self.sources / each for each in self.units]
                compile_sources(compiler, units, self.flags, self.libraries, made, self.what)
                made.chmod(0o644)  # whatever the umask: `library_file` takes no file that others may write
                path = folder / f"{self._stem()}-{hashlib.sha256(made.read_bytes()).hexdigest()}.so"
                os.replace(made, path)
        except CompilerFailed as error:
            raise LibraryUnavailable(str(error)) from None
        except OSError as error:
            raise CannotKeep(f"{self.what} can't be kept: {error}") from None
        return path

    @contextlib.contextmanager
    def locked(self, folder: Path) -> Iterator[None]:
        """Let one process at a time compile this into `folder`, and none while one measures."""
        with contextlib.suppress(OSError):
            _make(folder)
        with hold_lock(folder / f"{self._stem()}.lock"), hold_lock(folder / COMPILING, is_shared=True):
            yield

    def _stem(self) -> str:
        digest = hashlib.sha256(" ".join((*self.flags, *self.libraries)).encode())
        own = sorted(self.sources.rglob("*.h")) + sorted(self.sources.rglob("*.cpp"))
        for source in (*own, *self.shared_headers):
            digest.update(source.read_bytes())
        return f"{self.name}-{digest.hexdigest()[:16]}"


def _make(folder: Path) -> None:
    """Make the folder and those above it that are missing, for this user alone."""
    if not folder.exists():
        _make(folder.parent)
        folder.mkdir(exist_ok=True, mode=0o700)


def _sweep(folder: Path) -> None:
    """Remove what processes have left that were killed while they compiled."""
    for scratch in folder.glob(f"{_SCRATCH}*"):
        with contextlib.suppress(FileNotFoundError):  # its process has just removed it
            if time.time() - scratch.stat().st_mtime > 2 * LIMIT_SECONDS:
                shutil.rmtree(scratch, ignore_errors=True)
