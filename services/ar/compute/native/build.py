"""How the kernel is compiled for a processor.

`python -m services.ar.compute.native.build FOLDER` does it for all processors, in advance.
Knows nothing of what the kernel computes; needs only the standard library.
"""

import platform
import sys
from pathlib import Path

from runtime.compiled.recipe import Recipe

_SOURCES = Path(__file__).parent
_FLAGS = ("-std=c++20", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fPIC", "-shared", "-pthread", "-Wno-psabi")
# What a processor must have, by the names in /proc/cpuinfo, and the compiler's flags; the best first.
_LEVELS = {
    "avx512-vnni": ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "fma", "f16c"),
    "avx2": ("avx2", "fma", "f16c"),
    "generic": (),
}
LEVELS = tuple(_LEVELS)


def best_level() -> str:
    """Return the best of LEVELS that this processor has."""
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        words = set()
    return next(level for level, needed in _LEVELS.items() if words.issuperset(needed))


def kernel_recipe(level: str | None = None) -> Recipe:
    """Return how the kernel is compiled for one of LEVELS, the best of this processor unless told otherwise."""
    level = level or best_level()
    return Recipe("the kernel", f"step-{platform.machine()}-{level}", _SOURCES, ("step.cpp",), _flags(level))


def _flags(level: str) -> tuple[str, ...]:
    flags = (*_FLAGS, *(f"-m{feature.replace('_', '')}" for feature in _LEVELS[level]))
    return (*flags, "-mprefer-vector-width=512") if level == "avx512-vnni" else flags


if __name__ == "__main__":
    for level_ in LEVELS:
        print(kernel_recipe(level_).kept(Path(sys.argv[1])))
