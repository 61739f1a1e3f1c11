"""How the library is compiled; `python -m services.gan.native.build FOLDER` does it in advance, with Python alone."""

import platform
import sys
from ctypes import POINTER, Structure, c_uint64, c_void_p
from pathlib import Path

from tandem.shared.compiled.interface import Interface
from tandem.shared.compiled.recipe import Recipe

_SOURCES = Path(__file__).parent
_UNITS = ("latents.cpp",)
# -ffp-contract=off: see latents.cpp.
_FLAGS = ("-std=c++20", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fPIC", "-shared")


class Run(Structure):
    """Images first to first + count - 1 of a seed."""

    _fields_ = [("seed", c_uint64), ("first", c_uint64), ("count", c_uint64)]


_DRAW = (None, POINTER(Run), *3 * (c_uint64,), c_void_p)

INTERFACE = Interface("tandem_gan_", {"latents": _DRAW, "labels": _DRAW}, structures=(Run,))


def gan_recipe() -> Recipe:
    """Return the recipe of the library."""
    name = f"gan-{platform.machine()}"
    return Recipe("the library of the parallel service", name, _SOURCES, _UNITS, _FLAGS, interface=INTERFACE)


if __name__ == "__main__":
    print(gan_recipe().find_or_compile(Path(sys.argv[1])))
