"""How the module is compiled; `python -m gateway.proxy.native.build FOLDER` does it in advance, with Python alone."""

import platform
import sys
from pathlib import Path

from runtime.compiled.recipe import Recipe

_SOURCES = Path(__file__).parent
_FLAGS = ("-std=c++20", "-O2", "-fPIC", "-shared", "-fno-exceptions")


def socket_clock_recipe() -> Recipe:
    """Return the recipe of the module."""
    return Recipe(
        "the clock of the proxy's sockets",
        f"socket-clock-{platform.machine()}",
        _SOURCES,
        ("socket_clock.cpp",),
        _FLAGS,
    )


if __name__ == "__main__":
    print(socket_clock_recipe().kept(Path(sys.argv[1])))
