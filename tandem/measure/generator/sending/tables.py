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


REQUEST_SPEC = np.dtype(
    [
        ("number", "i8"),
        ("intended", "f8"),
        ("cancel_after", "f8"),  # infinite: never
        ("begin", "i8"),
        ("size", "i8"),
        ("route", "i4"),
        ("length", "i4"),
    ]
)
ROW = np.dtype(
    [
        ("number", "i8"),
        ("intended", "f8"),
        ("sent", "f8"),
        ("first_output", "f8"),
        ("ended", "f8"),
        ("route", "i4"),
        ("code", "i4"),
        ("end", "i4"),
        ("length", "i4"),
        ("num_messages", "i4"),
        ("text", "i4"),  # its place among the texts; -1: none
    ]
)
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
