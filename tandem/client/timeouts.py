"""The time that a method has for all calls that it makes."""

from __future__ import annotations

import time
from collections.abc import Callable


def time_left(timeout_seconds: float | None) -> Callable[[], float | None]:
    """Return a function that gives the seconds left, >= 0, counted from now; None if there is no limit."""
    if timeout_seconds is None:
        return lambda: None
    ends_at = time.monotonic() + timeout_seconds
    return lambda: max(0.0, ends_at - time.monotonic())
