"""How sure a figure is: bootstrap confidence intervals over rounds. Knows nothing of models or times.

A round holds what was seen in one go of each of the things compared. It is rounds that are drawn anew, so things that
were measured in the same rounds stay together, and what one round had in common is not counted as many values.
"""

import math
import statistics
import warnings
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from tandem.measure.results.value import Method, Value
from tandem.measure.statistics.quantiles import nearest_rank

NUM_RESAMPLES = 999
# Of a figure over rounds of many requests: fewer have too few different samples, and the interval is too narrow.
MIN_ROUNDS = 8
# Of a jackknife.
NUM_GROUPS = 10
MIN_PER_GROUP = 10
_SEED = 1

Values = NDArray[np.float64]
Rows = NDArray[np.intp]
Statistic = Callable[[Rows], float]


def estimate(
    statistic: Statistic, count: int, confidence: float, spread: Sequence[float] = (), least: int = MIN_ROUNDS
) -> Value:
    """Return the statistic of rows 0 to `count` - 1, with an interval if there are at least `least` of them, or else
    the range of `spread`, the values of single rounds, if given.

    The interval is BCa (Efron 1987), or the plain percentiles where that has no answer, as of values all equal. It is
    widened to hold the value itself, which BCa's correction of bias can leave outside where rounds are few.
    """
    rows = np.arange(count)
    value = statistic(rows)
    if count >= least:
        methods: tuple[Method, ...] = ("bca", "percentile")
        for method in methods:
            low, high = _interval(statistic, rows, confidence, method)
            if math.isfinite(low) and math.isfinite(high):
                return Value(value=value, low=min(low, value), high=max(high, value), method=method, count=count)
    if len(spread) > 1 and all(map(math.isfinite, spread)):
        # The statistic of all rounds together, as a ratio of two medians, may lie beyond that of every single round.
        return Value(value=value, low=min(value, *spread), high=max(value, *spread), method="range", count=count)
    return Value(value=value, count=count)


def tenths_of(whole: float, without: Iterable[float]) -> tuple[float, ...]:
    """Return what each tenth says of a statistic that is `whole` of all rows, and `without` one tenth after the other:
    the pseudo-values of a jackknife, whose mean is free of a bias that falls as 1 / rows (Quenouille 1956, Tukey 1958).

    For a statistic that a row drawn twice would bias, as in a bootstrap.
    """
    return tuple(NUM_GROUPS * whole - (NUM_GROUPS - 1) * rest for rest in without)


def of_tenths(tenths: Sequence[float], count: int) -> Value:
    """Return the mean of what the tenths of `count` rows say, with a 95 % interval by Student's t."""
    value = statistics.fmean(tenths)
    from scipy.stats import t as student  # which the load generator can do without

    margin = float(student.ppf(0.975, len(tenths) - 1)) * statistics.stdev(tenths) / math.sqrt(len(tenths))
    return Value(value=value, low=value - margin, high=value + margin, method="t", count=count)


def chance_of(tenths: Sequence[float]) -> float:
    """Return the p-value of the two-sided t-test that the mean of these is 0."""
    from scipy.stats import t as student

    mean, error = statistics.fmean(tenths), statistics.stdev(tenths) / math.sqrt(len(tenths))
    return 2 * float(student.sf(abs(mean) / error, len(tenths) - 1)) if error else float(not mean)


def is_surely_below(first: Value, second: Value) -> bool:
    """Return whether the difference of two values measured apart is surely below 0, by both of their intervals.

    Its upper end is that of MOVER (Zou and Donner 2008): intervals may overlap, and the difference still be sure.
    Without intervals the values alone decide.
    """
    up = 0.0 if first.high is None else first.high - first.value
    down = 0.0 if second.low is None else second.value - second.low
    return first.value - second.value + math.hypot(up, down) < 0.0


def over_rounds(values: Iterable[float]) -> Value:
    """Return the median of the values of some rounds, with their range. Raises ValueError if there are none.

    Of an even number of rounds it is the mean of the two in the middle, unlike a quantile of requests: the lower of two
    rounds would be the worse one as a rate and the better one as a time, and the two would contradict each other.
    """
    found = list(values)
    return Value(value=statistics.median(found), low=min(found), high=max(found), method="range", count=len(found))


def of_draws(value: float, draws: Sequence[float]) -> Value:
    """Return a value with the 95 % percentile interval of bootstrap draws of it, widened to hold the value itself."""
    low, high = (nearest_rank(draws, q) for q in (0.025, 0.975))
    return Value(value=value, low=min(low, value), high=max(high, value), method="percentile", count=len(draws))


def _interval(statistic: Statistic, rows: Rows, confidence: float, method: str) -> tuple[float, float]:
    from scipy.stats import DegenerateDataWarning, bootstrap

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
