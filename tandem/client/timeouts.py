"""How long calls may take: the seconds that one has, and those of a method that makes several."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from tandem.shared.errors import ExpectedError

MOST_SECONDS = 1e9
"""A longer limit, of more than 31 years, is none. grpc would take it for a time that is over."""


def call_seconds(timeout_seconds: float | None) -> float | None:
    """Return the seconds that a call has, None for no limit. Raises ValueError for nan and what is below 0."""
    if timeout_seconds is None:
        return None
    if math.isnan(timeout_seconds) or timeout_seconds < 0:
        raise ExpectedError(f"timeout_seconds: {timeout_seconds} is not accepted; accepted: 0 or more")
    return timeout_seconds if timeout_seconds <= MOST_SECONDS else None


def time_left(timeout_seconds: float | None) -> Callable[[], float | None]:
    """Return a function that gives the seconds left, >= 0, counted from now; None if there is no limit.

    Raises ValueError like `call_seconds`.
    """
    seconds = call_seconds(timeout_seconds)
    if seconds is None:
        return lambda: None
    ends_at = time.monotonic() + seconds
    return lambda: max(0.0, ends_at - time.monotonic())
