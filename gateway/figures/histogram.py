"""A histogram that costs half a microsecond to count with, in the buckets that all processes share.

prometheus_client's own looks for the bucket from the first on, which with buckets this fine takes most of the time
that a log entry may take. What is exported is the same.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from runtime.metrics import SECONDS_BUCKETS

_BOUNDS = (*map(floatToGoString, SECONDS_BUCKETS), "+Inf")


class Distribution:
    """How many observations fell into each bucket, the last one without a bound, and their sum."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS_BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one observation; a bucket holds its upper bound."""
        self.counts[bisect_left(SECONDS_BUCKETS, seconds)] += 1
        self.sum += seconds

    def add(self, other: Distribution) -> None:
        """Add the observations of another one."""
        self.counts = [own + its for own, its in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum

    def cumulative(self) -> dict[float, float]:
        """Return the number of observations up to each upper bound, +inf included."""
        return dict(zip((*SECONDS_BUCKETS, math.inf), accumulate(map(float, self.counts.copy())), strict=True))


class Histogram(Collector):
    """Distributions by the values of `labels`. Written by one thread, read by any."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._of: dict[tuple[str, ...], Distribution] = {}
        registry.register(self)

    def of(self, *values: str) -> Distribution:
        """Return the distribution with these values of the labels, in their order."""
        found = self._of.get(values)
        if found is None:
            found = self._of[values] = Distribution()
        return found

    def distributions(self) -> Iterator[tuple[dict[str, str], Distribution]]:
        """Yield each distribution with its labels."""
        for values, distribution in list(self._of.items()):
            yield dict(zip(self._labels, values, strict=True)), distribution

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Yield the name alone, so that a registry refuses it twice."""
        yield self._family()

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield all there is."""
        family = self._family()
        for values, distribution in list(self._of.items()):
            buckets = list(zip(_BOUNDS, distribution.cumulative().values(), strict=True))
            family.add_metric(values, buckets, distribution.sum)
        yield family

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
