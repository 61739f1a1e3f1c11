"""How the sender is compiled; `python -m tandem.measure.generator.native.build FOLDER` does it in advance."""

import platform
import sys
from pathlib import Path

from tandem.shared.compiled.recipe import Recipe

_SOURCES = Path(__file__).parent
_UNITS = ("loop.cpp", "load.cpp", "exchanges.cpp", "records.cpp", "library.cpp")
_FLAGS = ("-std=c++20", "-O2", "-fPIC", "-shared", "-pthread")


def sender_recipe() -> Recipe:
    """Return the recipe of the sender."""
    return Recipe("the load sender", f"sender-{platform.machine()}", _SOURCES, _UNITS, _FLAGS, ("nghttp2",))


if __name__ == "__main__":
    print(sender_recipe().kept(Path(sys.argv[1])))
