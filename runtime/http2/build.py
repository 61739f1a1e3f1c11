"""How the server is compiled; `python -m runtime.http2.build FOLDER` does it in advance, with Python alone."""

import platform
import sys
from pathlib import Path

from tandem.shared.compiled.recipe import Recipe

_SOURCES = Path(__file__).parent / "native"
LAYOUT = _SOURCES / "layout.h"
"""What compiled code includes that reads the server's records or ends its calls."""
_UNITS = ("server.cpp", "calls.cpp", "replies.cpp", "refusals.cpp", "library.cpp")
_FLAGS = ("-std=c++20", "-O2", "-fPIC", "-shared", "-pthread", "-fno-exceptions")


def http2_recipe() -> Recipe:
    """Return the recipe of the server."""
    return Recipe("the HTTP/2 server", f"http2-{platform.machine()}", _SOURCES, _UNITS, _FLAGS, ("nghttp2",))


if __name__ == "__main__":
    print(http2_recipe().kept(Path(sys.argv[1])))
