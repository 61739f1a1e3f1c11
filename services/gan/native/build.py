"""How the library is compiled; `python -m services.gan.native.build FOLDER` does it in advance, with Python alone."""

import platform
import sys
from pathlib import Path

from tandem.shared.compiled.recipe import Recipe

_SOURCES = Path(__file__).parent
_UNITS = ("latents.cpp",)
# -ffp-contract=off: see latents.cpp.
_FLAGS = ("-std=c++20", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fPIC", "-shared")


def gan_recipe() -> Recipe:
    """Return the recipe of the library."""
    name = f"gan-{platform.machine()}"
    return Recipe("the library of the parallel service", name, _SOURCES, _UNITS, _FLAGS)


if __name__ == "__main__":
    print(gan_recipe().find_or_compile(Path(sys.argv[1])))
