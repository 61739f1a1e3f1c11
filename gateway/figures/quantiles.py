"""Quantiles from histogram buckets, as Prometheus' histogram_quantile computes them: linear inside a bucket."""

import math
from collections.abc import Mapping


def quantile(share: float, cumulative: Mapping[float, float]) -> float | None:
    """Return the value below which `share` (0 to 1) of the observations lie, None if there are none.

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
