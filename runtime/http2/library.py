"""The compiled server as Python sees it: its functions, and the limits that it is opened with."""

from __future__ import annotations

import resource
from functools import cache
from types import SimpleNamespace

from runtime.http2.build import Limits, http2_recipe
from runtime.limits import MAX_MESSAGE_BYTES
from tandem.shared.compiled.library import open_functions

_MAX_CONNECTIONS = 4096
# Files of a process that are no connections of its server.
_OTHER_FILES = 256

Functions = tuple[SimpleNamespace, SimpleNamespace]
"""As they keep Python's lock, since taking it back costs more than microseconds; and as they let go of it."""


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


@cache
def open_http2() -> Functions:
    """Return the functions; the library is compiled the first time. Raises LibraryUnavailable."""
    return open_functions(http2_recipe())
