"""The compiled sender as Python sees it: the functions of library.cpp and the structs that they take."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_double, c_int, c_int64, c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any

_COUNTS = (
    "phase",
    "is_real_time",
    "num_taken",
    "num_measured",
    "num_sent",
    "outstanding",
    "max_outstanding",
    "dropped",
    "ok",
    "error",
    "deadline",
    "cancelled",
    "unfinished",
    "unavailable_in_a_row",
)
_SECONDS = ("answered_at", "load_ended_at", "wall_seconds", "cpu_seconds", "thread_cpu_seconds")


class NativeProgress(ctypes.Structure):
    """As progress.h has it."""

    _fields_ = [*((name, c_int64) for name in _COUNTS), *((name, c_double) for name in _SECONDS)]


class NativeLoad(ctypes.Structure):
    """As sender.h has it."""

    _fields_ = [
        ("zero", c_double),
        ("begins_at", c_double),
        ("ends_at", c_double),
        ("drain_seconds", c_double),
        ("pause_seconds", c_double),
        ("budget", c_int64),
        ("max_outstanding", c_int64),
        ("is_open", c_int64),
        ("goes_first", c_int64),
    ]


class Library:
    """The functions, typed. Those that take microseconds keep Python's lock, as taking it back would cost more."""

    def __init__(self, quick: ctypes.PyDLL, slow: ctypes.CDLL) -> None:
        """Both are the same file."""
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
        self.size = _typed(quick, "size", c_uint64, c_void_p, c_int)
        self.copy = _typed(slow, "copy", None, c_void_p, c_int, c_void_p)
        self.text = _typed(quick, "text", c_void_p, c_void_p, c_uint64, POINTER(c_uint64))


def _typed(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = library[f"tandem_sender_{name}"]  # a new object each time, so each has types of its own
    function.restype, function.argtypes = result, arguments
    return function
