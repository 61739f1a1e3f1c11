"""How the server is compiled; `python -m runtime.http2.build FOLDER` does it in advance, with Python alone."""

import platform
import sys
from ctypes import POINTER, Structure, c_char_p, c_double, c_int, c_int64, c_uint32, c_uint64, c_void_p
from pathlib import Path

from runtime.http2.events import HIGH_BACKLOG_BYTES, Flag, Kind, RecordHead
from tandem.shared.compiled.interface import Interface
from tandem.shared.compiled.recipe import Recipe
from tandem.shared.native import HEADERS

_SOURCES = Path(__file__).parent / "native"
_UNITS = ("server.cpp", "calls.cpp", "replies.cpp", "refusals.cpp", "library.cpp")
_FLAGS = ("-std=c++20", "-O2", "-fPIC", "-shared", "-pthread", "-fno-exceptions")


class Limits(Structure):
    """What a server bounds: see `runtime.http2.library.default_limits`."""

    _fields_ = [
        ("max_message_bytes", c_uint32),
        ("max_streams", c_uint32),
        ("max_metadata_bytes", c_uint32),
        ("max_held_bytes", c_int64),  # of requests that are not whole, all connections together
        ("max_age_seconds", c_double),
        ("max_age_grace_seconds", c_double),
        ("handshake_seconds", c_double),
        ("max_connections", c_uint32),
        ("max_unbegun_calls", c_uint32),  # that Python has not taken; health checks come through all the same
        ("unread_seconds", c_double),  # after which a call ends, or a connection, that takes nothing of what there is
        ("max_unsent_bytes", c_int64),  # of replies, all calls together
        ("max_owner_share", c_double),  # of these, for the calls of one owner
    ]


class Finished(Structure):
    """A call that ends. Its `message` may be null: there is none."""

    _fields_ = [
        ("call", c_uint64),
        ("message", c_char_p),
        ("message_size", c_uint64),
        ("trailers", c_char_p),
        ("trailers_size", c_uint64),
    ]


_TEXT = (c_char_p, c_uint64)

INTERFACE = Interface(
    "tandem_http2_",
    {
        "open": (c_void_p, c_int, POINTER(Limits), *3 * _TEXT),
        "start": (None, c_void_p),
        "descriptor": (c_int, c_void_p),
        "connections": (c_int64, c_void_p),
        "unbegun": (c_int64, c_void_p),
        "drain": (None, c_void_p),
        "stop": (None, c_void_p, c_double),
        "close": (None, c_void_p),
        "events": (c_void_p, c_void_p, c_int64, POINTER(c_uint64)),
        "send": (c_int64, c_void_p, c_uint64, *_TEXT),
        "refuse_alike": (c_int64, c_void_p, c_uint64, *2 * _TEXT),
        "set_capacity": (c_int, c_void_p, c_uint64, c_int64),
        "finish": (None, c_void_p, POINTER(Finished), c_uint64),
    },
    structures=(RecordHead, Limits, Finished),
    numbers={Kind: "uint8_t"},
    constants={name.lower(): getattr(Flag, name) for name in vars(Flag) if name.isupper()}
    | {"high_backlog_bytes": HIGH_BACKLOG_BYTES},
)


def http2_recipe() -> Recipe:
    """Return the recipe of the server."""
    name, libraries = f"http2-{platform.machine()}", ("nghttp2",)
    return Recipe("the HTTP/2 server", name, _SOURCES, _UNITS, _FLAGS, libraries, HEADERS, INTERFACE)


if __name__ == "__main__":
    print(http2_recipe().find_or_compile(Path(sys.argv[1])))
