"""Compiles the kernel for this processor, once; `python -m services.ar.native.build FOLDER` for all, in advance.

What was compiled lies in a folder under a hash of the sources and the flags, and is found there by the next start, or
in an image that was built with it. Knows nothing of what the kernel computes; imports nothing that must be installed.
"""

import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

logger = logging.getLogger(__name__)

_SOURCES = Path(__file__).parent
_COMPILERS = ("g++", "clang++", "c++")
_FLAGS = ("-std=c++20", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fPIC", "-shared", "-pthread", "-Wno-psabi")
# What a processor must have, by the names in /proc/cpuinfo, and the compiler's flags; the best first.
_LEVELS = {
    "avx512-vnni": ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "fma", "f16c"),
    "avx2": ("avx2", "fma", "f16c"),
    "generic": (),
}
LEVELS = tuple(_LEVELS)


class KernelUnavailable(Exception):
    """There is no kernel and none can be made; says why."""


def best_level() -> str:
    """Return the best of LEVELS that this processor has."""
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        words = set()
    return next(level for level, needed in _LEVELS.items() if words.issuperset(needed))


def kernel(folder: Path, level: str | None = None) -> Path:
    """Return the path of the compiled kernel, compiling it if it is not in `folder`. Raises KernelUnavailable."""
    level = level or best_level()
    flags = (*_FLAGS, *(f"-m{feature.replace('_', '')}" for feature in _LEVELS[level]))
    if level == "avx512-vnni":
        flags += ("-mprefer-vector-width=512",)
    path = folder / f"step-{platform.machine()}-{level}-{_hash(flags)}.so"
    if not path.exists():
        _compile(flags, path)
    return path


def _hash(flags: tuple[str, ...]) -> str:
    digest = hashlib.sha256(" ".join(flags).encode())
    for source in sorted(_SOURCES.glob("*.h")) + sorted(_SOURCES.glob("*.cpp")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _compile(flags: tuple[str, ...], path: Path) -> None:
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        raise KernelUnavailable(f"no C++ compiler ({', '.join(_COMPILERS)}); on Debian: apt-get install g++")
    started = time.monotonic()
    logger.info("compiling the kernel with %s; it is kept in %s", compiler, path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder) / path.name
            subprocess.run(
                [compiler, *flags, "-o", str(made), str(_SOURCES / "step.cpp")],
                check=True,
                capture_output=True,
                text=True,
            )
            os.replace(made, path)
    except OSError as error:
        raise KernelUnavailable(f"the kernel can't be kept: {error}") from None
    except subprocess.CalledProcessError as error:
        reason = next((line for line in error.stderr.splitlines() if "error" in line), f"exit code {error.returncode}")
        raise KernelUnavailable(f"{compiler} does not compile the kernel: {reason}") from None
    logger.info("compiled the kernel in %.1f s", time.monotonic() - started)


if __name__ == "__main__":
    for level_ in LEVELS:
        print(kernel(Path(sys.argv[1]), level_))
