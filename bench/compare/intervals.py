"""How sure a figure is: bootstrap confidence intervals over rounds. Knows nothing of models or times.

A round holds what was seen in one go of each of the things compared. It is rounds that are drawn anew, so things that
were measured in the same rounds stay together, and what one round had in common is not counted as many values.
"""

import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import DegenerateDataWarning, bootstrap

from bench.compare.document import Estimate

NUM_RESAMPLES = 999
# Of a figure over rounds of many requests: fewer have too few different samples, and the interval is too narrow.
MIN_ROUNDS = 8
_SEED = 1

Values = NDArray[np.float64]
Rows = NDArray[np.intp]
Statistic = Callable[[Rows], float]


def quantile(values: Values, q: float) -> float:
    """Return the quantile by nearest rank: a value that occurred."""
    rank = max(1, math.ceil(len(values) * q - 1e-9))
    return float(np.partition(values, rank - 1)[rank - 1])


def can_show(q: float, count: int) -> bool:
    """Whether at least one of so many values lies beyond the quantile."""
    return count > 0 and (q <= 0.5 or count * (1 - q) > 0.999)


def least_count(q: float, confidence: float) -> int:
    """Return how many values it takes until, surely enough, one lies beyond either end of a quantile's interval."""
    tail = math.log((1 - confidence) / 2)
    return math.ceil(max(tail / math.log(q), tail / math.log(1 - q)))


def estimate(statistic: Statistic, count: int, confidence: float, least: int, spread: Sequence[float] = ()) -> Estimate:
    """Return the statistic of rows 0 to `count` - 1, with an interval if there are at least `least` of them, or else
    the range of `spread`, the values of single rounds, if given.

    The interval is BCa (Efron 1987), or the plain percentiles where that has no answer, as of values all equal.
    """
    rows = np.arange(count)
    found = {"value": statistic(rows), "count": count}
    if count >= least:
        for method in ("bca", "percentile"):
            low, high = _interval(statistic, rows, confidence, method)
            if math.isfinite(low) and math.isfinite(high):
                return Estimate.model_validate({**found, "low": low, "high": high, "method": method})
    if len(spread) > 1 and all(map(math.isfinite, spread)):
        return Estimate.model_validate({**found, "low": min(spread), "high": max(spread), "method": "range"})
    return Estimate.model_validate({**found, "low": None, "high": None, "method": None})


def _interval(statistic: Statistic, rows: Rows, confidence: float, method: str) -> tuple[float, float]:
    # Of BCa, for values that are all equal: the caller asks for percentiles then.
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        found = bootstrap(
            (rows,),
            statistic,
            vectorized=False,
            n_resamples=NUM_RESAMPLES,
            confidence_level=confidence,
            method=method,
            random_state=np.random.default_rng(_SEED),
        ).confidence_interval
    return float(found.low), float(found.high)
