"""What one caller may have a minute: of requests, of tokens, of images. A token bucket each.

A bucket starts full, with a minute's worth. A request is charged before it begins, its output when it has ended, as the
amount is not known before. A bucket may therefore fall below zero. Its owner then waits until it is above zero
again, and so gets no more than the rate in the long run.
"""

import math
from collections.abc import Callable, Iterable, Mapping

from tandem.shared.errors import OverBudget

_ROUNDING_SECONDS = 1e-6
REQUEST, TOKEN, IMAGE = "request", "token", "image"


class Bucket:
    """`clock` returns seconds."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._level = float(per_minute)
        self._filled_at = clock()

    def seconds_until(self, level: float) -> float:
        """Return how long it takes until so much is in it: 0 if it is."""
        self._fill()
        return max(0.0, level - self._level) * 60.0 / self.per_minute

    def take(self, amount: float) -> None:
        """Take it out, whether it is there or not."""
        self._fill()
        self._level -= amount

    def _fill(self) -> None:
        now = self._clock()
        self._level = min(self.per_minute, self._level + (now - self._filled_at) * self.per_minute / 60.0)
        self._filled_at = now


class Budgets:
    """The buckets of one caller, by unit; what has none is not limited."""

    def __init__(self, per_minute: Mapping[str, int], clock: Callable[[], float]) -> None:
        self._buckets = {unit: Bucket(limit, clock) for unit, limit in per_minute.items()}

    def check_request(self, units: Iterable[str]) -> None:
        """Raise OverBudget if there is no request left, or one of `units`, which it will put out, is in debt."""
        self._check(REQUEST, 1.0)
        for unit in units:
            self._check(unit, 0.0)

    def take_request(self, units: Iterable[str]) -> None:
        """Take one request that will put out `units`. Raises OverBudget as `check_request` does."""
        self.check_request(units)
        self.charge(REQUEST, 1)

    def charge(self, unit: str, amount: int) -> None:
        """Take what has gone out."""
        if bucket := self._buckets.get(unit):
            bucket.take(amount)

    def _check(self, unit: str, level: float) -> None:
        bucket = self._buckets.get(unit)
        if bucket is None:
            return
        # Rounded up to the next millisecond, so that a caller who waits as long as the error says is let in.
        seconds = math.ceil((bucket.seconds_until(level) - _ROUNDING_SECONDS) * 1e3) / 1e3
        if seconds > 0.0:
            raise OverBudget(unit, bucket.per_minute, seconds)
