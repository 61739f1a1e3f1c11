"""From raw durations to what a document says of them."""

import numpy as np
from numpy.typing import NDArray

from bench.load.document import Distribution, Histogram, Summary
from runtime.metrics import SECONDS_BUCKETS

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


def summary(values: NDArray[np.float64]) -> Summary:
    """Return the quantiles by nearest rank: each is a value that occurred.

    A quantile that fewer than one value lies beyond says nothing and is left out.
    """
    count = len(values)
    if not count:
        return Summary(count=0, mean=None, std=None, min=None, max=None, **dict.fromkeys(_QUANTILES))
    found = np.quantile(values, list(_QUANTILES.values()), method="inverted_cdf").tolist()
    # A thousandth off is rounding.
    shown = [
        value if count * (1 - q) > 0.999 or q == 0.5 else None
        for value, q in zip(found, _QUANTILES.values(), strict=True)
    ]
    return Summary(
        count=count,
        mean=float(np.mean(values)),
        std=float(np.std(values)),
        min=float(np.min(values)),
        max=float(np.max(values)),
        **dict(zip(_QUANTILES, shown, strict=True)),
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
