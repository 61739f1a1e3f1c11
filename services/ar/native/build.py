"""Compiles the kernel for this processor, once; `python -m services.ar.native.build FOLDER` for all, in advance.

A compiled kernel lies in a folder as step-MACHINE-LEVEL-SOURCES-CONTENT.so. SOURCES is a hash of the sources and the
flags, so that other sources make another kernel. CONTENT is the SHA-256 of the file, by which `kernel_file` sees before
it loads one whether the file is whole. Knows nothing of what the kernel computes; needs only the standard library.
"""

import hashlib
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

from services.ar.native.compiler import LIMIT_SECONDS, CompilerFailed, compile_shared, find_compiler

_SOURCES = Path(__file__).parent
_FLAGS = ("-std=c++20", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fPIC", "-shared", "-pthread", "-Wno-psabi")
# What a processor must have, by the names in /proc/cpuinfo, and the compiler's flags; the best first.
_LEVELS = {
    "avx512-vnni": ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "fma", "f16c"),
    "avx2": ("avx2", "fma", "f16c"),
    "generic": (),
}
LEVELS = tuple(_LEVELS)
_SCRATCH = "building-"


class KernelUnavailable(Exception):
    """There is no kernel and none can be made; says why."""


class CannotKeep(KernelUnavailable):
    """The folder cannot be written; elsewhere the kernel can perhaps be made."""


def best_level() -> str:
    """Return the best of LEVELS that this processor has."""
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        words = set()
    return next(level for level, needed in _LEVELS.items() if words.issuperset(needed))


def kernel(folder: Path, level: str | None = None) -> Path:
    """Return the path of a compiled kernel in `folder`, compiling it if there is none. Raises KernelUnavailable.

    The file is only found, not checked: `library.load` does that.
    """
    return next(iter(found(folder, level)), None) or compiled(folder, level)


def found(folder: Path, level: str | None = None) -> list[Path]:
    """Return the kernels in `folder` that were made of these sources for this level; more than one is unusual."""
    return sorted(folder.glob(f"{_stem(level or best_level())}-*.so"))


def compiled(folder: Path, level: str | None = None) -> Path:
    """Compile the kernel into `folder`, whatever is there, and return its path. Raises KernelUnavailable, CannotKeep.

    The file appears under its name in one step, when it is whole. Two processes may do this at the same time: each puts
    its own there, and the same content gets the same name.
    """
    level = level or best_level()
    try:
        compiler = find_compiler()
        _make(folder)
        _sweep(folder)
        with tempfile.TemporaryDirectory(dir=folder, prefix=_SCRATCH) as scratch:
            made = Path(scratch) / "step.so"
            compile_shared(compiler, _SOURCES / "step.cpp", _flags(level), made)
            made.chmod(0o644)  # whatever the umask: `kernel_file` takes no file that others may write
            path = folder / f"{_stem(level)}-{hashlib.sha256(made.read_bytes()).hexdigest()}.so"
            os.replace(made, path)
    except CompilerFailed as error:
        raise KernelUnavailable(str(error)) from None
    except OSError as error:
        raise CannotKeep(f"the kernel can't be kept: {error}") from None
    return path


def _make(folder: Path) -> None:
    """Make the folder and those above it that are missing, for this user alone."""
    if not folder.exists():
        _make(folder.parent)
        folder.mkdir(exist_ok=True, mode=0o700)


def _sweep(folder: Path) -> None:
    """Remove what processes have left that were killed while they compiled."""
    for scratch in folder.glob(f"{_SCRATCH}*"):
        if time.time() - scratch.stat().st_mtime > 2 * LIMIT_SECONDS:
            shutil.rmtree(scratch, ignore_errors=True)


def _flags(level: str) -> tuple[str, ...]:
    flags = (*_FLAGS, *(f"-m{feature.replace('_', '')}" for feature in _LEVELS[level]))
    return (*flags, "-mprefer-vector-width=512") if level == "avx512-vnni" else flags


def _stem(level: str) -> str:
    digest = hashlib.sha256(" ".join(_flags(level)).encode())
    for source in sorted(_SOURCES.glob("*.h")) + sorted(_SOURCES.glob("*.cpp")):
        digest.update(source.read_bytes())
    return f"step-{platform.machine()}-{level}-{digest.hexdigest()[:16]}"


if __name__ == "__main__":
    for level_ in LEVELS:
        print(kernel(Path(sys.argv[1]), level_))
