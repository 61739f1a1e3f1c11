"""The one definition of a quantile, by nearest rank, and what a document says of raw durations."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tandem.measure.results.value import Distribution, Histogram, Summary
from tandem.shared.metrics import SECONDS_BUCKETS

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


def nearest_rank(values: ArrayLike, q: float) -> float:
    """Return the least value that at least a share `q` of the values does not exceed; NaN where there are none.

    It is always a value that occurred: the median of an even number is the lower of the two in the middle.
    """
    found = np.asarray(values, np.float64)
    if not len(found):
        return math.nan
    rank = max(1, math.ceil(len(found) * q - 1e-9))
    return float(np.partition(found, rank - 1)[rank - 1])


def can_show(q: float, count: int) -> bool:
    """Whether at least one of so many values lies beyond the quantile; a median can always be shown."""
    return count > 0 and (q <= 0.5 or count * (1 - q) > 0.999)  # a thousandth off is rounding


def summary(values: NDArray[np.float64]) -> Summary:
    """Return what there is to say of values; a quantile that fewer than one of them lies beyond is left out."""
    count = len(values)
    if not count:
        return Summary(count=0, mean=None, std=None, min=None, max=None, **dict.fromkeys(_QUANTILES))
    return Summary(
        count=count,
        mean=float(np.mean(values)),
        std=float(np.std(values)),
        min=float(np.min(values)),
        max=float(np.max(values)),
        **{name: nearest_rank(values, q) if can_show(q, count) else None for name, q in _QUANTILES.items()},
    )


def histogram(values: NDArray[np.float64]) -> Histogram:
    """Return how many values lie in each of the servers' buckets."""
    # A value on a bound belongs below it, as in Prometheus.
    places = np.searchsorted(SECONDS_BUCKETS, values, side="left")
    counts = np.bincount(places, minlength=len(SECONDS_BUCKETS) + 1)
    return Histogram(bounds_seconds=SECONDS_BUCKETS, counts=tuple(counts.tolist()), sum_seconds=float(np.sum(values)))


def distribution(values: NDArray[np.float64]) -> Distribution:
    """Return both."""
    return Distribution(seconds=summary(values), histogram=histogram(values))
