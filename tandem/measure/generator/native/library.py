"""The compiled sender's functions; it is compiled the first time: see `tandem.shared.compiled`."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from tandem.measure.generator.native.build import INTERFACE, sender_recipe
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.library_file import open_library
from tandem.shared.compiled.opening import open_compiled
from tandem.shared.compiled.recipe import LibraryUnavailable


class Library:
    """`slow` functions let go of Python's lock; those that take microseconds keep it."""

    def __init__(self, path: Path) -> None:
        """Raises BadLibrary."""
        self.quick: SimpleNamespace
        self.slow: SimpleNamespace
        self.quick, self.slow = INTERFACE.bind(open_library(path))


@cache
def open_sender_library() -> Library:
    """Return the sender's functions. Raises LibraryUnavailable."""
    if sys.platform != "linux":
        raise LibraryUnavailable(f"the compiled sender needs Linux (epoll, timerfd); this is {sys.platform}")
    return open_compiled(cache_folder() / "kernels", sender_recipe(), Library)
