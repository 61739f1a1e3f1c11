"""How the server of known laws is compiled, and what crosses between it and Python."""

import platform
from ctypes import POINTER, Structure, c_char_p, c_double, c_int, c_int64, c_uint8, c_uint32, c_uint64, c_void_p
from enum import IntEnum
from pathlib import Path

from tandem.shared.compiled.interface import Interface
from tandem.shared.compiled.recipe import Recipe
from tandem.shared.native import HEADERS


class Mode(IntEnum):
    """Whether a reply follows the law, is there at once, or stays open behind its first message."""

    BY_LAW = 0
    AT_ONCE = 1
    LEFT_OPEN = 2


class Ending(IntEnum):
    """How a request ended. CANCELLED: the client left; UNFINISHED: the server was stopped."""

    ANSWERED = 0
    FAILED = 1
    CANCELLED = 2
    UNFINISHED = 3


class Law(Structure):
    """`slots`: requests answered at a time, 0: any number. `tokens`: of requests that ask for no number."""

    _fields_ = [("stall_at", c_double), ("stall_seconds", c_double), ("slots", c_int64), ("tokens", c_int64)]


class RequestRow(Structure):
    """A request, in order of its end; instants are time.monotonic(). `due`: when its first message was, by the law."""

    _fields_ = [
        ("number", c_int64),
        *((name, c_double) for name in ("arrived", "due", "first", "ended")),
        ("num_messages", c_int64),
        ("ending", c_int64),
    ]


class MessageRow(Structure):
    """A message, and when it was handed to the kernel."""

    _fields_ = [("number", c_int64), ("at", c_double)]


INTERFACE = Interface(
    "tandem_truth_",
    {
        "open": (c_void_p, c_int, POINTER(Law), POINTER(c_double), POINTER(c_double), POINTER(c_uint8), c_uint64),
        "reply": (
            *(None, c_void_p, c_char_p, c_int, c_int, c_int),
            *(POINTER(c_uint32), c_uint64, c_char_p, POINTER(c_uint64)),
        ),
        "start": (None, c_void_p),
        "stop": (None, c_void_p),
        "close": (None, c_void_p),
        "ended": (c_int64, c_void_p),
        "requests": (c_uint64, c_void_p, c_void_p),
        "messages": (c_uint64, c_void_p, c_void_p),
    },
    structures=(Law, RequestRow, MessageRow),
    numbers={Mode: "int32_t", Ending: "int32_t"},
)


def truth_recipe() -> Recipe:
    """Return the recipe of the server."""
    flags = ("-std=c++20", "-O2", "-fPIC", "-shared", "-pthread")
    name, libraries = f"truth-{platform.machine()}", ("nghttp2",)
    units = ("server.cpp", "protocols.cpp")
    return Recipe("the server of known laws", name, Path(__file__).parent, units, flags, libraries, HEADERS, INTERFACE)
