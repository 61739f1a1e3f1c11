"""What a sender has recorded, as arrays: a row a request and one a message, laid out for Python and C++ alike.

Instants are seconds from the zero of the run; NaN: did not happen.
"""

from __future__ import annotations

from ctypes import Structure, c_double, c_int32, c_int64
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.void]


class End(IntEnum):
    """Who ended a request: the server, or one of our own reasons."""

    ANSWERED = 0
    DEADLINE = 1
    CANCELLED = 2
    CUT_OFF = 3


_NUMBER = ("number", c_int64)


def _of(kind: type, *names: str) -> list[tuple[str, type]]:
    return [(name, kind) for name in names]


class RequestSpec(Structure):
    """A request as it is handed over. `begin` and `size`: of its framed message, among those that come with it.

    Seconds: `intended` from the zero of the run, `cancel_after` from when it is sent (infinite: never), `pause` from
    the end of the request before, which it follows (NaN: it follows none).
    """

    _fields_ = [
        _NUMBER,
        *_of(c_double, "intended", "cancel_after", "pause"),
        *_of(c_int64, "begin", "size"),
        *_of(c_int32, "route", "length"),
    ]


class Row(Structure):
    """A request that has ended. `text`: its place among the texts; -1: none."""

    _fields_ = [
        _NUMBER,
        *_of(c_double, "intended", "sent", "ended"),
        *_of(c_int32, "route", "code", "end", "length", "text"),
    ]


class MessageRow(Structure):
    """A message that has come; `size` of what was kept of it."""

    _fields_ = [_NUMBER, ("at", c_double), ("size", c_int64)]


REQUEST_SPEC, ROW, MESSAGE = map(np.dtype, (RequestSpec, Row, MessageRow))


class Seen(NamedTuple):
    """All tables of a run. `messages`: those of a request in the order in which they came."""

    rows: Table
    messages: Table
    message_bytes: NDArray[np.uint8]  # of all `messages`, one behind the other
    lags: NDArray[np.float64]
    dropped: NDArray[np.int64]  # by route: due with too many under way
    texts: tuple[str, ...]
