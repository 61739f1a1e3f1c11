"""The compiled sender as Python sees it: the functions of library.cpp and the structs that they take.

It is compiled the first time; see `tandem.shared.compiled`.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, c_char_p, c_double, c_int, c_int64, c_uint8, c_uint32, c_uint64, c_void_p
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from tandem.measure.generator.native.build import sender_recipe
from tandem.measure.generator.sending.sender import Progress
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.library_file import open_library
from tandem.shared.compiled.opening import open_compiled
from tandem.shared.compiled.recipe import LibraryUnavailable

_HEADER = "nghttp2/nghttp2.h"
_SECONDS = ("zero", "ends_at", "drain_seconds", "pause_seconds")
_NUMBERS = ("budget", "max_outstanding", "is_open")


class NativeProgress(ctypes.Structure):
    """As sender.h has it."""

    _fields_ = [(each.name, c_double if each.type == "float" else c_int64) for each in fields(Progress)]


class NativeLoad(ctypes.Structure):
    """As sender.h has it."""

    _fields_ = [*((name, c_double) for name in _SECONDS), *((name, c_int64) for name in _NUMBERS)]


class Library:
    """The functions, typed. Those that take microseconds keep Python's lock, as taking it back would cost more."""

    def __init__(self, path: Path) -> None:
        """Raises BadLibrary."""
        slow = open_library(path)
        quick = ctypes.PyDLL(slow._name, handle=slow._handle)
        self.open = _typed(slow, "open", c_void_p, c_char_p, c_char_p, c_char_p, c_uint64)
        self.reset = _typed(slow, "reset", None, c_void_p)
        self.metadata = _typed(quick, "metadata", None, c_void_p, c_char_p, c_char_p)
        self.route = _typed(quick, "route", None, c_void_p, c_char_p, c_char_p, c_double, c_int, c_int)
        self.column = _typed(quick, "column", None, c_void_p, POINTER(c_uint32), POINTER(c_uint8), c_uint64, c_uint8)
        self.connect = _typed(slow, "connect", c_int, c_void_p, c_double)
        self.start = _typed(quick, "start", None, c_void_p, POINTER(NativeLoad), c_void_p, c_uint64)
        self.feed = _typed(slow, "feed", None, c_void_p, c_void_p, c_uint64, c_char_p, c_uint64)
        self.feed_no_more = _typed(quick, "feed_no_more", None, c_void_p)
        self.progress = _typed(quick, "progress", POINTER(NativeProgress), c_void_p)
        self.stop = _typed(quick, "stop", None, c_void_p)
        self.join = _typed(slow, "join", None, c_void_p)
        self.close = _typed(slow, "close", None, c_void_p)
        self.table = _typed(slow, "table", c_uint64, c_void_p, c_int, c_void_p)


def _typed(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = library[f"tandem_sender_{name}"]  # a new object each time, so each has types of its own
    function.restype, function.argtypes = result, arguments
    return function


@cache
def open_sender_library() -> Library:
    """Return the sender's functions. Raises LibraryUnavailable."""
    if sys.platform != "linux":
        raise LibraryUnavailable(f"the compiled sender needs Linux (epoll, timerfd); this is {sys.platform}")
    try:
        return open_compiled(cache_folder() / "kernels", sender_recipe(), Library)
    except LibraryUnavailable as error:
        if _HEADER in str(error):
            raise LibraryUnavailable(f"no {_HEADER}; on Debian: apt-get install libnghttp2-dev") from None
        raise
