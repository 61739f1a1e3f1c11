"""The compiled server as Python sees it: its functions, and the limits that it is opened with."""

from __future__ import annotations

import ctypes
import resource
from collections.abc import Sequence
from ctypes import c_uint64
from functools import cache
from types import SimpleNamespace

from runtime.http2.build import Finished, Limits, http2_recipe
from runtime.limits import MAX_MESSAGE_BYTES
from tandem.shared.compiled.library import open_functions

# Copying more than this takes long enough to let other threads of Python run meanwhile.
_LARGE_BYTES = 256 << 10
# Taken at a time: those that are not can still be refused by the server's thread.
_MAX_CALLS = 64
_MAX_CONNECTIONS = 4096
# Files of a process that are no connections of its server.
_OTHER_FILES = 256


Ending = tuple[int, bytes | None, bytes]
"""A call that ends: its id, its last message if there is one, and its trailers; see `runtime.http2.events`."""


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

    def __init__(self, quick: SimpleNamespace, slow: SimpleNamespace) -> None:
        self._quick, self._slow = quick, slow
        self.open, self.start, self.drain = quick.open, quick.start, quick.drain
        self.descriptor, self.num_connections, self.num_unbegun = quick.descriptor, quick.connections, quick.unbegun
        self.stop, self.close = slow.stop, slow.close

    def events(self, server: int) -> bytes:
        """Return records that have come and were not returned before, of a limited number of calls."""
        size = c_uint64()
        records = self._quick.events(server, _MAX_CALLS, size)
        return ctypes.string_at(records, size.value)

    def send(self, server: int, call_id: int, message: bytes) -> int:
        """Send one message of a stream; see `context.Wire`."""
        functions = self._quick if len(message) < _LARGE_BYTES else self._slow
        return int(functions.send(server, call_id, message, len(message)))

    def finish(self, server: int, calls: Sequence[Ending]) -> None:
        """End calls, each with a last message or without."""
        rows = [(call, last, 0 if last is None else len(last), end, len(end)) for call, last, end in calls]
        functions = self._quick if sum([row[2] for row in rows]) < _LARGE_BYTES else self._slow
        records = (Finished * len(rows))(*rows)  # type: ignore[misc]
        functions.finish(server, records, len(calls))

    def refuse_alike(self, server: int, call_id: int, trailers: bytes, cached: bytes) -> int:
        """End a call, and refuse with `cached` those like it; see cached_refusal.h."""
        return int(self._quick.refuse_alike(server, call_id, trailers, len(trailers), cached, len(cached)))

    def set_capacity(self, server: int, call_id: int, capacity: int) -> bool:
        """Accept up to `capacity` more calls like the refused one than are open now; a negative number means fewer.

        False: the refusal is not cached any more.
        """
        return bool(self._quick.set_capacity(server, call_id, capacity))


@cache
def open_http2() -> Library:
    """Return the functions; the library is compiled the first time. Raises LibraryUnavailable."""
    return Library(*open_functions(http2_recipe()))
