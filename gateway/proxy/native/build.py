"""How the modules are compiled; `python -m gateway.proxy.native.build FOLDER` does it in advance, with Python alone."""

import platform
import sys
from pathlib import Path

from tandem.shared.compiled.recipe import Recipe

_SOURCES = Path(__file__).parent
_FLAGS = ("-std=c++20", "-O2", "-fPIC", "-shared", "-fno-exceptions")


def _recipe(what: str, unit: str) -> Recipe:
    return Recipe(what, f"{unit.replace('_', '-')}-{platform.machine()}", _SOURCES, (f"{unit}.cpp",), _FLAGS)


CLOCK = _recipe("the clock of the proxy's sockets", "socket_clock")
SHARES = _recipe("the callers' shares of the proxy", "caller_shares")
AFFINITY = _recipe("the proxy's choice of a replica", "affinity")

if __name__ == "__main__":
    for recipe in (CLOCK, SHARES, AFFINITY):
        print(recipe.find_or_compile(Path(sys.argv[1])))
