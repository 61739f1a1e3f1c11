"""Repeats a measurement that other processes disturbed; the figures themselves play no part in that decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

TOLERATED_CORES = 0.1
MOST_ATTEMPTS = 3


def undisturbed(measure: Callable[[], T], others: Callable[[T], float]) -> T:
    """Return the first measurement in which others used at most TOLERATED_CORES.

    Without such a one among MOST_ATTEMPTS: that in which they used the least. `others` says how much it was.
    """
    least = measure()
    for _ in range(MOST_ATTEMPTS - 1):
        if others(least) <= TOLERATED_CORES:
            break
        least = min(least, measure(), key=others)
    return least
