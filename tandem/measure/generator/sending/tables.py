"""What a sender has recorded, as arrays: a row a request and one a message, as native/tables.h lays them out.

Instants are seconds from the zero of the run; NaN: did not happen.
"""

from __future__ import annotations

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


def _of(kind: str, *names: str) -> list[tuple[str, str]]:
    return [(name, kind) for name in names]


# `cancel_after`: infinite, never. `begin` and `size`: of its framed message, among those that are handed over.
_WHEN, _WHERE = _of("f8", "intended", "cancel_after"), _of("i8", "begin", "size")
REQUEST_SPEC = np.dtype([("number", "i8"), *_WHEN, *_WHERE, *_of("i4", "route", "length")])
# `text`: its place among the texts; -1: none.
_INSTANTS = _of("f8", "intended", "sent", "first_output", "ended")
ROW = np.dtype([("number", "i8"), *_INSTANTS, *_of("i4", "route", "code", "end", "length", "num_messages", "text")])
MESSAGE = np.dtype([("number", "i8"), ("at", "f8"), ("size", "i4"), ("num_outputs", "i4")])
# A message that was kept: where its bytes lie; `message` is the how manieth of its request.
KEPT = np.dtype([("number", "i8"), ("begin", "i8"), ("size", "i8"), ("message", "i8")])


class Seen(NamedTuple):
    """All tables of a run. `values`: of each row the columns of its route, one row behind the other."""

    rows: Table
    values: NDArray[np.float64]
    messages: Table
    kept: Table
    kept_bytes: NDArray[np.uint8]
    lags: NDArray[np.float64]
    dropped: NDArray[np.int64]  # by route
    abandoned: NDArray[np.int64]
    texts: tuple[str, ...]

    def of_route(self, route: int, num_columns: list[int]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Return which rows are of a route, and their values [rows, columns]; `num_columns` of each route."""
        widths = np.asarray(num_columns, np.int64)[self.rows["route"]]
        begins = np.cumsum(widths) - widths
        is_here = self.rows["route"] == route
        return is_here, self.values[begins[is_here][:, None] + np.arange(num_columns[route])]
