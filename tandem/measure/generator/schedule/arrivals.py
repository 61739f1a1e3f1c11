"""When the requests of an open loop are meant to start. Plain arithmetic; knows no clock.

Times count from the end of the warm-up, so those of the warm-up are negative. Arrivals at a rate that changes are
arrivals at rate 1, read on a clock that runs with the integral of the rate; so a ramp of Poisson arrivals is Poisson.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tandem.measure.scenario import OpenLoop, Scenario

ARRIVALS_STREAM = 0  # of the seed; see tandem.measure.generator.schedule.request_sequence for the others
_BLOCK = 65_536


def intended_seconds(scenario: Scenario, load: OpenLoop) -> NDArray[np.float64]:
    """Return the intended starts, in order."""
    warm_up = scenario.warm_up_seconds
    first, last, duration = load.rate_per_second, load.end_rate_per_second, scenario.duration_seconds
    before = first * warm_up  # arrivals, on average, in the warm-up
    if duration is None:
        num_requests = scenario.num_requests or 0
        counts = _unit_arrivals(scenario, load, lambda found: int(np.sum(found >= before)) >= num_requests)
    else:
        expected = before + (first + (last or first)) / 2 * duration
        counts = _unit_arrivals(scenario, load, lambda found: bool(found[-1] >= expected))
        counts = counts[counts < expected]
    if scenario.num_requests is not None:
        counts = counts[: int(np.sum(counts < before)) + scenario.num_requests]
    times = counts / first - warm_up
    if last is not None and duration is not None and last != first:
        is_measured = counts >= before
        times[is_measured] = _ramp_times(counts[is_measured] - before, first, last, duration)
    return times


def _ramp_times(counts: NDArray[np.float64], first: float, last: float, duration: float) -> NDArray[np.float64]:
    """Return when a rate that goes from `first` to `last` has brought so many arrivals.

    The root of count = first t + slope t^2 / 2, in the form that loses no digits when the slope is small.
    """
    slope = (last - first) / duration
    root = np.sqrt(np.maximum(first * first + 2 * slope * counts, 0.0))
    return np.asarray(2 * counts / (first + root))


def _unit_arrivals(
    scenario: Scenario, load: OpenLoop, is_enough: Callable[[NDArray[np.float64]], bool]
) -> NDArray[np.float64]:
    """Return arrivals at rate 1 from 0 on, at least until `is_enough`."""
    random = np.random.default_rng((scenario.seed, ARRIVALS_STREAM))
    is_poisson = load.arrivals == "poisson"
    arrivals, last = np.empty(0), 0.0 if is_poisson else -1.0
    while not len(arrivals) or not is_enough(arrivals):
        count = max(_BLOCK, len(arrivals))  # doubling, so that many arrivals are not copied many times
        gaps = random.standard_exponential(count) if is_poisson else np.ones(count)
        arrivals = np.concatenate((arrivals, last + np.cumsum(gaps)))
        last = arrivals[-1]
    return arrivals
