"""How the sender is compiled; `python -m tandem.measure.generator.native.build FOLDER` does it in advance."""

import platform
import sys
from ctypes import POINTER, Structure, c_char_p, c_double, c_int, c_int64, c_uint32, c_uint64, c_void_p
from pathlib import Path

from tandem.measure.generator.sending import sender, statuses
from tandem.measure.generator.sending.tables import End, MessageRow, RequestSpec, Row
from tandem.shared.compiled.interface import Interface
from tandem.shared.compiled.recipe import Recipe
from tandem.shared.native import HEADERS

_SOURCES = Path(__file__).parent
_UNITS = ("loop.cpp", "load.cpp", "exchanges.cpp", "library.cpp")
_FLAGS = ("-std=c++20", "-O2", "-fPIC", "-shared", "-pthread")
_STATUSES = ("OK", "CANCELLED", "UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE")


class Load(Structure):
    """As `sender.Load`, but for its callers; `budget` -1: without bound."""

    _fields_ = [
        *((name, c_double) for name in ("zero", "ends_at", "drain_seconds", "pause_seconds")),
        *((name, c_int64) for name in ("budget", "max_outstanding", "is_open")),
    ]


class Caller(Structure):
    """When one of a closed loop is there."""

    _fields_ = [("comes_at", c_double), ("goes_at", c_double)]


INTERFACE = Interface(
    "tandem_sender_",
    {
        "open": (c_void_p, c_char_p),
        "adopt": (None, c_void_p, c_int),
        "reset": (None, c_void_p),
        "metadata": (None, c_void_p, c_char_p, c_char_p),
        "route": (None, c_void_p, c_char_p, c_char_p, c_double, c_int, c_int, POINTER(c_uint32), c_uint64),
        "start": (None, c_void_p, POINTER(Load), POINTER(Caller), c_uint64),
        "feed": (None, c_void_p, POINTER(RequestSpec), c_uint64, c_char_p, c_uint64, c_int),
        "progress": (POINTER(sender.Progress), c_void_p),
        "stop": (None, c_void_p),
        "join": (None, c_void_p),
        "close": (None, c_void_p),
        "table": (c_uint64, c_void_p, c_int, c_void_p),
    },
    structures=(RequestSpec, Row, MessageRow, Load, Caller),
    live=(sender.Progress,),
    numbers={sender.Phase: "int64_t", End: "int32_t"},
    constants={f"status_{name.lower()}": getattr(statuses, name) for name in _STATUSES},
)


def sender_recipe() -> Recipe:
    """Return the recipe of the sender."""
    name, libraries = f"sender-{platform.machine()}", ("nghttp2",)
    return Recipe("the load sender", name, _SOURCES, _UNITS, _FLAGS, libraries, HEADERS, INTERFACE)


if __name__ == "__main__":
    print(sender_recipe().find_or_compile(Path(sys.argv[1])))
