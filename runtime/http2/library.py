"""The compiled server as Python sees it: the functions of library.cpp and the struct that they take."""

from __future__ import annotations

import ctypes
import resource
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_double, c_int, c_int64, c_uint32, c_uint64, c_void_p
from typing import Any

from runtime.limits import MAX_MESSAGE_BYTES

# Copying more than this takes long enough to let other threads of Python run meanwhile.
_LARGE_BYTES = 256 << 10
# Taken at a time: those that are not can still be refused by the server's thread.
_MAX_CALLS = 64
_MAX_CONNECTIONS = 4096
# Files of a process that are no connections of its server.
_OTHER_FILES = 256


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
        ("unread_seconds", c_double),
        ("max_unsent_bytes", c_int64),
        ("max_owner_share", c_double),
    ]


Finished = tuple[int, bytes | None, bytes]
"""A call that ends: its id, its last message if there is one, and its trailers; see `runtime.http2.metadata`."""


class _Finished(ctypes.Structure):
    """As server.h has it."""

    _fields_ = [
        ("call", c_uint64),
        ("message", c_char_p),
        ("message_size", c_uint64),
        ("trailers", c_char_p),
        ("trailers_size", c_uint64),
    ]


def default_limits() -> Limits:
    """Return the bounds against slow and hostile peers; bytes and seconds.

    Requests that are not whole, of all connections together, hold at most 256 MiB. Calls that the event loop has not
    come to are at most 1,024, about 100 ms of its time: more are refused before it hears of them. Old connections end,
    so that clients behind round-robin DNS meet new replicas; open calls get the grace. Connections leave some of the
    process's files to others. Replies that were not read hold at most 128 MiB, those of one owner half of it, and each
    at most for 30 s.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MAX_CONNECTIONS if files == resource.RLIM_INFINITY else max(1, min(_MAX_CONNECTIONS, files - _OTHER_FILES))
    return Limits(MAX_MESSAGE_BYTES, 1024, 16 << 10, 256 << 20, 60.0, 600.0, 3.0, most, 1024, 30.0, 128 << 20, 0.5)


class Library:
    """The functions, typed. Those that take microseconds keep Python's lock, as taking it back would cost more."""

    def __init__(self, quick: ctypes.PyDLL, slow: ctypes.CDLL) -> None:
        """Both are the same file: see `runtime.http2.opening`."""
        self.listen = _typed(slow, "listen", c_int, c_char_p, c_int)
        self.port = _typed(quick, "port", c_int, c_int)
        self.open = _typed(quick, "open", c_void_p, c_int, POINTER(Limits), *3 * (c_char_p, c_uint64))
        self.start = _typed(quick, "start", None, c_void_p)
        self.descriptor = _typed(quick, "descriptor", c_int, c_void_p)
        self.num_connections = _typed(quick, "connections", c_int64, c_void_p)
        self.drain = _typed(quick, "drain", None, c_void_p)
        self.stop = _typed(slow, "stop", None, c_void_p, c_double)
        self.close = _typed(slow, "close", None, c_void_p)
        self._events = _typed(quick, "events", c_void_p, c_void_p, c_int64, POINTER(c_uint64))
        send = (c_int64, c_void_p, c_uint64, c_char_p, c_uint64)
        self._send, self._send_large = (_typed(each, "send", *send) for each in (quick, slow))
        turn_away = (c_int64, c_void_p, c_uint64, c_char_p, c_uint64, c_char_p, c_uint64, c_int64)
        self._turn_away = _typed(quick, "turn_away", *turn_away)
        self._make_room = _typed(quick, "make_room", c_int, c_void_p, c_uint64, c_int64)
        finish = (None, c_void_p, POINTER(_Finished), c_uint64)
        self._finish, self._finish_large = (_typed(each, "finish", *finish) for each in (quick, slow))

    def events(self, server: int) -> bytes:
        """Return records that have come and were not returned before, of a limited number of calls."""
        size = c_uint64()
        records = self._events(server, _MAX_CALLS, size)
        return ctypes.string_at(records, size.value)

    def send(self, server: int, call_id: int, message: bytes) -> int:
        """Send one message of a stream; see `context.Wire`."""
        send = self._send if len(message) < _LARGE_BYTES else self._send_large
        return int(send(server, call_id, message, len(message)))

    def finish(self, server: int, calls: Sequence[Finished]) -> None:
        """End calls, each with a last message or without."""
        sizes = [0 if message is None else len(message) for _, message, _ in calls]
        rows = zip(calls, sizes, strict=True)
        records = (_Finished * len(calls))(
            *(_Finished(call, last, size, end, len(end)) for (call, last, end), size in rows)
        )
        finish = self._finish if sum(sizes) < _LARGE_BYTES else self._finish_large
        finish(server, records, len(calls))

    def finish_records(self, server: int, records: int, count: int, num_bytes: int) -> None:
        """End calls by records of server.h at an address; their messages have `num_bytes` together."""
        finish = self._finish if num_bytes < _LARGE_BYTES else self._finish_large
        finish(server, ctypes.cast(records, POINTER(_Finished)), count)

    def turn_away(self, server: int, call_id: int, trailers: bytes, standing: bytes, room: int) -> int:
        """End a call, and refuse with the trailers `standing` those like it beyond `room` more; see standing.h."""
        return int(self._turn_away(server, call_id, trailers, len(trailers), standing, len(standing), room))

    def make_room(self, server: int, call_id: int, room: int) -> bool:
        """Let in so many more calls like the one that was turned away; False: that does not stand any more."""
        return bool(self._make_room(server, call_id, room))


def _typed(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = library[f"tandem_http2_{name}"]  # a new object each time, so each has types of its own
    function.restype, function.argtypes = result, arguments
    return function
