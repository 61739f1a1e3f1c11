"""The compiled server for this process, made the first time; see `tandem.shared.compiled`."""

import ctypes
from functools import cache
from pathlib import Path

from runtime.http2.build import http2_recipe
from runtime.http2.library import Library
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.library_file import open_library
from tandem.shared.compiled.opening import open_compiled
from tandem.shared.compiled.recipe import LibraryUnavailable

_HEADER = "nghttp2/nghttp2.h"


@cache
def open_http2() -> Library:
    """Return the server's functions. Raises LibraryUnavailable."""
    try:
        return open_compiled(cache_folder() / "kernels", http2_recipe(), _load)
    except LibraryUnavailable as error:
        if _HEADER in str(error):
            raise LibraryUnavailable(f"no {_HEADER}; on Debian: apt-get install libnghttp2-dev") from None
        raise


def _load(path: Path) -> Library:
    library = open_library(path)
    return Library(ctypes.PyDLL(library._name, handle=library._handle), library)
