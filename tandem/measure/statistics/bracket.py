"""Between which rates a capacity lies, from trials that met an objective or missed it, and what to try next.

Near the capacity chance decides a trial, so some tell nothing but that it is near. The ends are tried again with other
arrivals rather than brought ever nearer to each other. Knows no server.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

Tried = Sequence[tuple[float, bool | None]]
"""Rates, and whether each met the objective; None: too near to tell."""

_STEP = 1.4  # while one end is not known
_NEAR = 1.2  # neighbours by rate: no nearer
_AGAIN = 1  # trials that are kept, at least, for trying an end again


def bracket(tried: Tried) -> tuple[float | None, float | None]:
    """Return the highest rate up to which all trials met the objective, and the lowest from which on all missed it."""
    unmet = min((rate for rate, is_met in tried if is_met is not True), default=math.inf)
    unmissed = max((rate for rate, is_met in tried if is_met is not False), default=0.0)
    low = max((rate for rate, _ in tried if rate < unmet), default=None)
    high = min((rate for rate, _ in tried if rate > unmissed), default=None)
    return low, high


def next_rate(tried: Tried, first: float, num_left: int) -> float:
    """Return the rate to try next: `first` to begin with. `num_left` trials are left, the next one included."""
    if not tried:
        return first
    low, high = bracket(tried)
    rates = sorted({rate for rate, _ in tried})
    if high is None:
        return rates[-1] * _STEP
    if low is None:
        return rates[0] / _STEP
    inside = [rate for rate in rates if low <= rate <= high]
    below, above = max(pairwise(inside), key=lambda pair: pair[1] / pair[0])
    if above > below * _NEAR and num_left > _AGAIN:
        return math.sqrt(below * above)
    return min((low, high), key=[rate for rate, _ in tried].count)
