"""What each model has done since the start, as plain numbers that cost next to nothing to copy.

Counted in the same call and in the same buckets as the metrics, so that both tell the same; a sum over rpcs and
transports each time would take longer.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple, TypeVar

from gateway.figures.observation import Observation
from runtime.metrics import SECONDS_BUCKETS

K = TypeVar("K")


class Series(NamedTuple):
    """Whose numbers they are."""

    paradigm: str
    model: str


@dataclass
class Totals:
    """Of requests for output; what generates nothing, as Score, is left out."""

    finished: list[int] = field(default_factory=lambda: [0] * (len(SECONDS_BUCKETS) + 1))
    """Those that ended well, by bucket of their duration."""
    failed: Counter[str] = field(default_factory=Counter)
    """Those that ended otherwise, by code."""
    outputs: Counter[str] = field(default_factory=Counter)
    """By unit: token, image."""

    @property
    def num_finished(self) -> int:
        return sum(self.finished)

    def cumulative(self) -> dict[float, float]:
        """Return the number of finished requests up to each upper bound, +inf included."""
        return dict(zip((*SECONDS_BUCKETS, math.inf), accumulate(map(float, self.finished)), strict=True))

    def copy(self) -> Totals:
        return Totals(self.finished.copy(), self.failed.copy(), self.outputs.copy())

    def since(self, earlier: Totals) -> Totals:
        """Return what has come since `earlier`."""
        finished = [now - then for now, then in zip(self.finished, earlier.finished, strict=True)]
        return Totals(finished, _minus(self.failed, earlier.failed), _minus(self.outputs, earlier.outputs))


class TotalsBook:
    """The totals of every model that was asked for."""

    def __init__(self) -> None:
        self._of: dict[Series, Totals] = defaultdict(Totals)

    def record(self, seen: Observation) -> None:
        """Count a request that has ended."""
        unit = seen.route.unit
        if unit is None:
            return
        totals = self._of[Series(seen.route.paradigm, seen.model)]
        if seen.code == "OK":
            totals.finished[bisect_left(SECONDS_BUCKETS, seen.total_seconds)] += 1
        else:
            totals.failed[seen.code] += 1
        if seen.num_outputs:
            totals.outputs[unit] += seen.num_outputs
        if seen.num_pictures:
            totals.outputs["image"] += seen.num_pictures

    def copy(self) -> dict[Series, Totals]:
        """Return the numbers as they are now."""
        return {series: totals.copy() for series, totals in list(self._of.items())}


def _minus(later: Counter[K], earlier: Mapping[K, int]) -> Counter[K]:
    return Counter({key: count - earlier.get(key, 0) for key, count in later.items()})
