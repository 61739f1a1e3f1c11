"""The compiled sender for this process, made the first time; see `runtime.compiled`."""

import ctypes
import sys
from functools import cache
from pathlib import Path

from runtime.compiled.library_file import open_library
from runtime.compiled.opening import open_compiled
from runtime.compiled.recipe import LibraryUnavailable
from runtime.settings import cache_folder
from tandem.measure.generator.native.build import sender_recipe
from tandem.measure.generator.native.library import Library

_HEADER = "nghttp2/nghttp2.h"


@cache
def open_sender_library() -> Library:
    """Return the sender's functions. Raises LibraryUnavailable."""
    if sys.platform != "linux":
        raise LibraryUnavailable(f"the compiled sender needs Linux (epoll, timerfd); this is {sys.platform}")
    try:
        return open_compiled(cache_folder() / "kernels", sender_recipe(), _load)
    except LibraryUnavailable as error:
        if _HEADER in str(error):
            raise LibraryUnavailable(f"no {_HEADER}; on Debian: apt-get install libnghttp2-dev") from None
        raise


def _load(path: Path) -> Library:
    library = open_library(path)
    return Library(ctypes.PyDLL(library._name, handle=library._handle), library)
