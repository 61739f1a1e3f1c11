"""How the kernel is compiled for a processor.

`python -m services.ar.compute.native.build FOLDER` does it for all processors of this architecture, in advance.
Knows nothing of what the kernel computes; needs only the standard library.
"""

import platform
import sys
from pathlib import Path
from typing import NamedTuple

from services.ar.compute.native.interface import INTERFACE
from tandem.shared.compiled.recipe import Recipe

CPU_INFO = Path("/proc/cpuinfo")
_SOURCES = Path(__file__).parent
_FLAGS = ("-std=c++20", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fPIC", "-shared", "-pthread", "-Wno-psabi")


class _Level(NamedTuple):
    """An instruction set, which a file of instructions/ is written for."""

    needed: tuple[str, ...]
    """What a processor must have, by the names in /proc/cpuinfo."""
    flags: tuple[str, ...]
    """The compiler's."""


def _x86(*needed: str, flags: tuple[str, ...] = ()) -> _Level:
    return _Level(needed, (*(f"-m{feature.replace('_', '')}" for feature in needed), *flags))


GENERIC = "generic"
_AVX512 = ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "fma", "f16c")
_X86 = {
    "avx512-vnni": _x86(*_AVX512, flags=("-mprefer-vector-width=512",)),
    "avx-vnni": _x86("avx2", "fma", "f16c", "avx_vnni"),
    "avx2": _x86("avx2", "fma", "f16c"),
}
_ARM = {"neon-dotprod": _Level(("asimddp",), ("-march=armv8.2-a+dotprod",))}
_ARCHITECTURES = {"x86_64": _X86, "aarch64": _ARM, "arm64": _ARM}


def levels_of(machine: str) -> dict[str, _Level]:
    """Return the levels of an architecture, as `platform.machine` names it, the best first."""
    return {**_ARCHITECTURES.get(machine, {}), GENERIC: _Level((), ())}


def usable_levels(machine: str | None = None, system: str | None = None, cpu_info: Path = CPU_INFO) -> list[str]:
    """Return the levels that the processor has, by default this machine's, the best first."""
    machine, system = machine or platform.machine(), system or platform.system()
    try:
        words = set(cpu_info.read_text().split())
    except OSError:
        # There is no such file on macOS, but all of Apple's processors for it have the byte products.
        words = {"asimddp"} if (system, machine) == ("Darwin", "arm64") else set()
    return [name for name, level in levels_of(machine).items() if words.issuperset(level.needed)]


def kernel_recipe(level: str | None = None, machine: str | None = None) -> Recipe:
    """Return how the kernel is compiled: for this architecture, and by default the best level of this machine."""
    machine, level = machine or platform.machine(), level or usable_levels(machine)[0]
    flags = (*_FLAGS, *levels_of(machine)[level].flags)
    return Recipe("the kernel", f"step-{machine}-{level}", _SOURCES, ("step.cpp",), flags, interface=INTERFACE)


if __name__ == "__main__":
    for level_ in levels_of(platform.machine()):
        print(kernel_recipe(level_).find_or_compile(Path(sys.argv[1])))
