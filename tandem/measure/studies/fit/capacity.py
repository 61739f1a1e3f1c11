"""The capacity of a service within an objective, as open loops at steady rates have measured it."""

import math
import statistics
from collections.abc import Sequence

from tandem.measure.results.crossover import Capacity, Trial
from tandem.measure.results.load import Document
from tandem.measure.scenario import OpenLoop, Paradigm
from tandem.measure.statistics.bracket import Tried, bracket

QUANTILE = 0.99
# Of the objective. Where p99 is longer, but within it, more requests may well have missed it.
RESERVE = 0.7
# Of fewer requests nobody can tell whether 99 of 100 are in time: three late ones are to be expected of so many.
LEAST_REQUESTS = 300
_MAY_BE_LATE = (1 - QUANTILE) * LEAST_REQUESTS
_USUAL_REQUESTS = 350  # of a trial that is lengthened: arrivals at random may be fewer than expected
_MOST_TIMES = 4


def trial_seconds(rate: float, usual_seconds: float) -> float:
    """Return how long a trial lasts: so long that there are enough requests, but not for ever."""
    return min(max(usual_seconds, _USUAL_REQUESTS / rate), _MOST_TIMES * usual_seconds)


def trial(document: Document) -> Trial:
    """Return what a run at a steady rate was."""
    stream, load = document.streams[0], document.scenario.load
    assert isinstance(load, OpenLoop)
    outcomes, latency = stream.outcomes, stream.latency.seconds
    broken = [check.text for check in document.audit.checks if not check.passed]
    return Trial(
        rate_per_second=load.rate_per_second,
        seconds=document.window.seconds,
        num_requests=outcomes.planned,
        num_failed=outcomes.planned - outcomes.ok,
        p50_seconds=latency.p50,
        p99_seconds=latency.p99,
        share_within_slo=None if stream.goodput is None else stream.goodput.share,
        valid=document.audit.valid and not document.is_partial,
        problems=(*broken, *document.problems),
    )


def is_telling(run: Trial) -> bool:
    """Return whether a trial is valid, and of enough requests."""
    return run.valid and run.share_within_slo is not None and (run.num_requests >= LEAST_REQUESTS or _is_missed(run))


def _is_missed(run: Trial) -> bool:
    """Return whether more than 1 of 100 were not there within the objective; requests that failed were not."""
    num_late = round(run.num_requests * (1 - (run.share_within_slo or 0.0)))
    return num_late > max(_MAY_BE_LATE, (1 - QUANTILE) * run.num_requests)


def is_met(run: Trial, slo_seconds: float) -> bool | None:
    """Return whether a telling trial met the objective, with a reserve; None: it is too near to tell."""
    if _is_missed(run):
        return False
    return True if run.p99_seconds is not None and run.p99_seconds <= RESERVE * slo_seconds else None


def tried(trials: Sequence[Trial], slo_seconds: float) -> Tried:
    return [(run.rate_per_second, is_met(run, slo_seconds)) for run in trials if is_telling(run)]


def capacity(paradigm: Paradigm, model: str, slo_seconds: float, trials: Sequence[Trial]) -> Capacity:
    """Return the interval in which the capacity lies.

    A queue that grows is seen when it is as long as the objective. A server may be overloaded by this part of a trial
    without a miss, so the lower end lies so much below the rate that was met.
    """
    low, high = bracket(tried(trials, slo_seconds))
    unseen = max((slo_seconds / run.seconds for run in trials if run.rate_per_second == low), default=0.0)
    return Capacity(
        paradigm=paradigm,
        model=model,
        slo_seconds=slo_seconds,
        low_per_second=None if low is None else low / (1 + unseen),
        high_per_second=high,
        trials=tuple(trials),
    )


def carried(one: Capacity, quantile: str) -> dict[float, float]:
    """Return the median of a quantile over the trials of each rate below the lowest that missed the objective."""
    missed = [rate for rate, is_there in tried(one.trials, one.slo_seconds) if is_there is False]
    latencies: dict[float, list[float]] = {}
    for run in filter(is_telling, one.trials):
        if run.rate_per_second < min(missed, default=math.inf):
            latencies.setdefault(run.rate_per_second, []).append(getattr(run, f"{quantile}_seconds"))
    return {rate: statistics.median(values) for rate, values in latencies.items()}
