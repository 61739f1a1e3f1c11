"""Capacity and latency as the fits predict them, and how the held-out runs bear that out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tandem.expected_errors import ExpectedError
from tandem.measure.generator.schedule.arrivals import intended_seconds
from tandem.measure.results.crossover import Capacity, HeldOut, Predicted
from tandem.measure.results.load import Document
from tandem.measure.results.value import Value
from tandem.measure.scenario import OpenLoop, Paradigm, Scenario
from tandem.measure.statistics.intervals import of_draws
from tandem.measure.statistics.quantiles import nearest_rank
from tandem.measure.studies.crossover.pair import Pair
from tandem.measure.studies.crossover.service import QUANTILE, Service

NUM_CAPACITY_DRAWS = 16
NUM_RATES = 8
_LOWEST_SHARE = 0.05
# Beyond so much of what a service can carry, latency is a matter of how long one waits.
_STEADY_SHARE = 0.95


def predicted_capacity(service: Service, draws: Sequence[Service], slo_seconds: float) -> Value:
    """Return the capacity within the objective."""
    values = [each.capacity_per_second(slo_seconds) for each in draws[:NUM_CAPACITY_DRAWS]]
    return of_draws(service.capacity_per_second(slo_seconds), values)


def predictions(pair: Pair) -> tuple[Predicted, ...]:
    """Return latencies at rates from a small one to what the stronger service can carry."""
    services = (pair.sequential, pair.parallel)
    ends = [each.most_per_second * _STEADY_SHARE for each in services]
    shared = np.geomspace(_LOWEST_SHARE * min(ends), min(ends), NUM_RATES)
    beyond = np.geomspace(min(ends), max(ends), NUM_RATES // 2 + 1)[1:]
    return tuple(_predicted(services, float(rate)) for rate in (*shared, *beyond))


def _predicted(services: tuple[Service, Service], rate: float) -> Predicted:
    found: dict[str, float | None] = {}
    for service in services:
        is_steady = rate <= service.most_per_second * _STEADY_SHARE * 1.0001
        latencies = service.steady_latencies(rate) if is_steady else None
        for name, quantile in (("p50", 0.5), ("p99", QUANTILE)):
            value = None if latencies is None else nearest_rank(latencies, quantile)
            found[f"{service.paradigm}_{name}_seconds"] = value
    return Predicted.model_validate({"rate_per_second": rate, **found})


@dataclass(frozen=True)
class Forecast:
    """What was predicted for a scenario before it was run."""

    scenario: Scenario
    p50_seconds: float
    p99_seconds: float
    share_within_slo: float


def forecast(service: Service, scenario: Scenario, slo_seconds: float) -> Forecast:
    """Return what the service would do with the very arrivals of the scenario; its warm-up is simulated, too."""
    assert isinstance(scenario.load, OpenLoop)
    intended = intended_seconds(scenario, scenario.load)
    latencies = service.latencies((intended + scenario.warm_up_seconds).tolist())[intended >= 0.0]
    if not len(latencies):
        raise ExpectedError("check-seconds: no request is due in so short a run; measure longer")
    p50, p99 = (nearest_rank(latencies, each) for each in (0.5, QUANTILE))
    return Forecast(scenario, p50, p99, float(np.mean(latencies <= slo_seconds)))


def held_out(expected: Forecast, document: Document) -> HeldOut:
    """Return prediction and measurement of one run next to each other."""
    stream, load = document.streams[0], expected.scenario.load
    assert isinstance(load, OpenLoop)
    outcomes = stream.outcomes
    failed = outcomes.planned - outcomes.ok
    broken = [check.text for check in document.audit.checks if not check.passed]
    return HeldOut(
        rate_per_second=load.rate_per_second,
        seconds=document.window.seconds,
        num_requests=outcomes.planned,
        num_failed=failed,
        predicted_p50_seconds=expected.p50_seconds,
        measured_p50_seconds=stream.latency.seconds.p50,
        predicted_p99_seconds=expected.p99_seconds,
        measured_p99_seconds=stream.latency.seconds.p99,
        predicted_share_within_slo=expected.share_within_slo,
        measured_share_within_slo=None if stream.goodput is None else stream.goodput.share,
        valid=document.audit.valid and not document.is_partial,
        problems=(*broken, *document.problems),
    )


def checked(paradigm: Paradigm, slo_seconds: float, predicted: Value, runs: Sequence[HeldOut]) -> Capacity:
    """Return the capacity, predicted and measured."""
    low, high = measured_bracket(runs)
    error = _error(predicted.value, low, high)
    return Capacity(
        paradigm=paradigm,
        slo_seconds=slo_seconds,
        predicted_per_second=predicted,
        measured_low_per_second=low,
        measured_high_per_second=high,
        error=error,
        held_out=tuple(runs),
    )


def measured_bracket(runs: Sequence[HeldOut]) -> tuple[float | None, float | None]:
    """Return the highest rate up to which a share of 0.99 meets the objective, and the lowest from which it does not.

    Requests that failed did not meet it. Invalid runs do not count. Where a higher rate met it and a lower one did not,
    the machine was not the same in both, and the capacity may be anywhere between.
    """
    met, missed = met_and_missed(runs)
    low = max((rate for rate in met if rate < min(missed, default=math.inf)), default=None)
    high = min((rate for rate in missed if rate > max(met, default=0.0)), default=None)
    return low, high


def met_and_missed(runs: Sequence[HeldOut]) -> tuple[list[float], list[float]]:
    """Return the rates at which the objective was met, and those at which it was missed."""
    met: list[float] = []
    missed: list[float] = []
    for each in runs:
        if (found := is_met(each)) is not None:
            (met if found else missed).append(each.rate_per_second)
    return met, missed


def is_met(run: HeldOut) -> bool | None:
    """Return whether 99 of 100 were there within the objective; None if the run is not valid."""
    share = run.measured_share_within_slo if run.valid else None
    return None if share is None else share >= QUANTILE


def _error(predicted: float, low: float | None, high: float | None) -> float | None:
    if low is None and high is None:
        return None
    if low is not None and predicted < low:
        return predicted / low - 1
    return predicted / high - 1 if high is not None and predicted > high else 0.0
