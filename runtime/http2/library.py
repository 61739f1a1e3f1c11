"""The compiled server as Python sees it: the functions of library.cpp and the struct that they take."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_double, c_int, c_int64, c_uint32, c_uint64, c_void_p
from typing import Any

from runtime.limits import MAX_MESSAGE_BYTES

# Copying more than this takes long enough to let other threads of Python run meanwhile.
_LARGE_BYTES = 256 << 10


class Limits(ctypes.Structure):
    """What connection.h says of each, and its defaults."""

    _fields_ = [
        ("max_message_bytes", c_uint32),
        ("max_streams", c_uint32),
        ("max_metadata_bytes", c_uint32),
        ("max_held_bytes", c_int64),
        ("max_age_seconds", c_double),
        ("max_age_grace_seconds", c_double),
        ("handshake_seconds", c_double),
        ("max_connections", c_uint32),
        ("max_unbegun_calls", c_uint32),
    ]


def default_limits() -> Limits:
    """Return the bounds against slow and hostile peers; bytes and seconds.

    Requests that are not whole, of all connections together, hold at most 256 MiB. Calls that the event loop has not
    come to are at most 1,024, about 100 ms of its time: more are refused before it hears of them. Old connections end,
    so that clients behind round-robin DNS meet new replicas; open calls get the grace.
    """
    return Limits(MAX_MESSAGE_BYTES, 1024, 16 << 10, 256 << 20, 60.0, 600.0, 3.0, 4096, 1024)


class Library:
    """The functions, typed. Those that take microseconds keep Python's lock, as taking it back would cost more."""

    def __init__(self, quick: ctypes.PyDLL, slow: ctypes.CDLL) -> None:
        """Both are the same file: see `runtime.http2.opening`."""
        self.listen = _typed(slow, "listen", c_int, c_char_p, c_int)
        self.port = _typed(quick, "port", c_int, c_int)
        self.open = _typed(quick, "open", c_void_p, c_int, POINTER(Limits), c_char_p, c_uint64)
        self.start = _typed(quick, "start", None, c_void_p)
        self.descriptor = _typed(quick, "descriptor", c_int, c_void_p)
        self.num_connections = _typed(quick, "connections", c_int64, c_void_p)
        self.drain = _typed(quick, "drain", None, c_void_p)
        self.stop = _typed(slow, "stop", None, c_void_p)
        self.close = _typed(slow, "close", None, c_void_p)
        self._events = _typed(quick, "events", c_void_p, c_void_p, POINTER(c_uint64))
        send = (c_int64, c_void_p, c_uint64, c_char_p, c_uint64)
        self._send, self._send_large = (_typed(each, "send", *send) for each in (quick, slow))
        finish = (c_int64, c_void_p, c_uint64, c_char_p, c_uint64, c_char_p, c_uint64)
        self._finish, self._finish_large = (_typed(each, "finish", *finish) for each in (quick, slow))

    def events(self, server: int) -> bytes:
        """Return the records that have come since the last call."""
        size = c_uint64()
        records = self._events(server, size)
        return ctypes.string_at(records, size.value)

    def send(self, server: int, call_id: int, message: bytes) -> int:
        """Send one message of a stream; see `context.Wire`."""
        send = self._send if len(message) < _LARGE_BYTES else self._send_large
        return int(send(server, call_id, message, len(message)))

    def finish(self, server: int, call_id: int, message: bytes | None, trailers: bytes) -> int:
        """End a call, with a last message or without; see `context.Wire`."""
        size = 0 if message is None else len(message)
        finish = self._finish if size < _LARGE_BYTES else self._finish_large
        return int(finish(server, call_id, message, size, trailers, len(trailers)))


def _typed(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = library[f"tandem_http2_{name}"]  # a new object each time, so each has types of its own
    function.restype, function.argtypes = result, arguments
    return function
