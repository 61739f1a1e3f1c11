"""How a shared library is compiled, and where it is kept.

A compiled library lies in a folder as NAME-SOURCES-CONTENT.so. SOURCES is a hash of the sources and the flags, so that
other sources make another library. CONTENT is the SHA-256 of the file, by which `library` sees before it loads one
whether the file is whole. Knows nothing of what a library does; needs only the standard library.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tandem.shared.compiled.compiler import LIMIT_SECONDS, CompilerFailed, compile_sources, find_compiler
from tandem.shared.compiled.interface import HEADER, Interface

COMPILING = "compiling.lock"
"""A lock in the folder of libraries, shared by all that compile; who measures the machine's speed holds it alone."""

_SCRATCH = "building-"
_PACKAGES = {"nghttp2": ("nghttp2/nghttp2.h", "libnghttp2-dev")}
"""By the name of a library: what its headers are missed by, and Debian's package of them."""


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
    units: tuple[str, ...]  # files that are compiled: in that folder, or by absolute paths
    flags: tuple[str, ...]
    libraries: tuple[str, ...] = ()
    shared: Path | None = None  # folder of headers that the sources of other libraries include as well
    interface: Interface | None = None

    def find_or_compile(self, folder: Path) -> Path:
        """Return the path of a compiled library in `folder`, compiling it if there is none.

        The file is only found, not checked: `library.open_library` does that. Raises LibraryUnavailable.
        """
        return next(iter(self.find(folder)), None) or self.compile_into(folder)

    def find(self, folder: Path) -> list[Path]:
        """Return the libraries in `folder` that were made by this recipe; more than one is unusual."""
        return sorted(folder.glob(f"{self.stem()}-*.so"))

    def compile_into(self, folder: Path) -> Path:
        """Compile into `folder`, whatever is there, and return the path. Raises LibraryUnavailable, CannotKeep.

        The file appears under its name in one step, when it is whole.
        """
        try:
            compiler = find_compiler()
            _make(folder)
            _sweep(folder)
            with tempfile.TemporaryDirectory(dir=folder, prefix=_SCRATCH) as scratch:
                made = Path(scratch) / "made.so"
                self.compile(compiler, self.flags, made)
                made.chmod(0o644)  # whatever the umask: `library` takes no file that others may write
                path = folder / f"{self.stem()}-{hashlib.sha256(made.read_bytes()).hexdigest()}.so"
                os.replace(made, path)
        except CompilerFailed as error:
            raise LibraryUnavailable(str(error)) from None
        except OSError as error:
            raise CannotKeep(f"{self.what} can't be kept: {error}") from None
        return path

    def compile(self, compiler: str, flags: Sequence[str], made: Path, more: Sequence[Path] = ()) -> None:
        """Compile the units, and `more` beside them, into `made`, in whose folder files may be written.

        Raises CompilerFailed, OSError.
        """
        folders = [self.sources] if self.shared is None else [self.sources, self.shared]
        if self.interface is not None:
            (made.parent / HEADER).write_text(self.interface.header())
            folders.append(made.parent)
        whole = made.parent / "whole.cpp"  # one unit takes a third of the time that several take
        whole.write_text(
            "".join(f'#include "{each}"\n' for each in (*(self.sources / unit for unit in self.units), *more))
        )
        try:
            included = [f"-I{folder}" for folder in folders]
            compile_sources(compiler, [whole], (*flags, *included), self.libraries, made, self.what)
        except CompilerFailed as error:
            for library in self.libraries:
                header, package = _PACKAGES[library]
                if header in str(error):
                    raise CompilerFailed(f"no {header}; on Debian: apt-get install {package}") from None
            raise

    @contextlib.contextmanager
    def lock(self, folder: Path) -> Iterator[None]:
        """Let one process at a time compile this into `folder`, and none while one measures."""
        with contextlib.suppress(OSError):
            _make(folder)
        with hold_lock(folder / f"{self.stem()}.lock"), hold_lock(folder / COMPILING, is_shared=True):
            yield

    def stem(self) -> str:
        """Return the name of the library's file without its content's hash."""
        digest = hashlib.sha256(" ".join((*self.flags, *self.libraries)).encode())
        own = sorted(self.sources.rglob("*.h")) + sorted(self.sources.rglob("*.cpp"))
        others = (self.sources / unit for unit in self.units if Path(unit).is_absolute())
        for source in (*own, *(sorted(self.shared.glob("*.h")) if self.shared else ()), *others):
            digest.update(source.read_bytes())
        if self.interface is not None:
            digest.update(self.interface.header().encode())
        return f"{self.name}-{digest.hexdigest()[:16]}"


@contextlib.contextmanager
def hold_lock(path: Path, is_shared: bool = False) -> Iterator[None]:
    """Wait for a lock between the processes of one user, and hold it; it ends with its process.

    Where the file cannot be written there is no lock, and no waiting.
    """
    try:
        file = path.open("w")
    except OSError:
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX)
        yield


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
