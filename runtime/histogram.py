"""A histogram that costs half a microsecond to count with, however many buckets it has.

prometheus_client's own looks for the bucket from the first on, which with buckets this fine takes most of the time
that a log entry may take. What is exported is the same.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString


class Distribution:
    """How many observations fell into each bucket, the last one without a bound, and their sum.

    `bounds` are the upper ones of the others, in ascending order. `exemplars` has the last observation of a bucket that
    a trace tells of, by the bucket's index.
    """

    __slots__ = ("bounds", "counts", "exemplars", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.exemplars: dict[int, Exemplar] = {}
        self.sum = 0.0

    def observe(self, value: float, trace_id: str = "") -> None:
        """Count one observation, of the recorded trace `trace_id` if there is one; a bucket holds its upper bound."""
        bucket = bisect_left(self.bounds, value)
        self.counts[bucket] += 1
        self.sum += value
        if trace_id:
            self.exemplars[bucket] = Exemplar({"trace_id": trace_id}, value, time.time())

    def add(self, other: Distribution, times: int = 1) -> None:
        """Add the observations of another one, without exemplars; with `times` -1 they are taken away."""
        self.counts = [own + times * its for own, its in zip(self.counts, other.counts, strict=True)]
        self.sum += times * other.sum

    @property
    def num_observed(self) -> int:
        return sum(self.counts)

    def cumulative(self) -> dict[float, float]:
        """Return the number of observations up to each upper bound, +inf included."""
        return dict(zip((*self.bounds, math.inf), accumulate(map(float, self.counts.copy())), strict=True))

    def quantile(self, share: float) -> float | None:
        """Return the value below which `share` (0 to 1) of the observations lie, None if there are none."""
        return quantile(share, self.cumulative())


def quantile(share: float, cumulative: Mapping[float, float]) -> float | None:
    """Return what Prometheus' histogram_quantile does: linear inside a bucket, None if there are no observations.

    `cumulative` maps each bucket's upper bound, +inf included, to the number of observations up to it. Beyond the last
    finite bound, that bound is returned.
    """
    bounds = sorted(cumulative)
    if not bounds or cumulative[bounds[-1]] == 0:
        return None
    rank = share * cumulative[bounds[-1]]
    lower, below = 0.0, 0.0
    for bound in bounds:
        count = cumulative[bound]
        if count >= rank and count > below:
            return lower if math.isinf(bound) else lower + (bound - lower) * (rank - below) / (count - below)
        lower, below = bound, count
    return lower


class Histogram(Collector):
    """Distributions by the values of `labels`. Written by one thread, read by any."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._buckets = tuple(buckets)
        self._of: dict[tuple[str, ...], Distribution] = {}
        registry.register(self)

    def of(self, *values: str) -> Distribution:
        """Return the distribution with these values of the labels, in their order."""
        found = self._of.get(values)
        if found is None:
            found = self._of[values] = Distribution(self._buckets)
        return found

    def distributions(self) -> Iterator[tuple[dict[str, str], Distribution]]:
        """Yield each distribution with its labels."""
        for values, distribution in list(self._of.items()):
            yield dict(zip(self._labels, values, strict=True)), distribution

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Yield the name alone, so that a registry refuses it twice."""
        yield self._family()

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family, bounds = self._family(), (*map(floatToGoString, self._buckets), "+Inf")
        for values, distribution in list(self._of.items()):
            counts, exemplars = distribution.cumulative().values(), distribution.exemplars
            buckets: list[Any] = [
                (bound, count, exemplars.get(index))
                for index, (bound, count) in enumerate(zip(bounds, counts, strict=True))
            ]
            family.add_metric(values, buckets, distribution.sum)
        yield family

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
