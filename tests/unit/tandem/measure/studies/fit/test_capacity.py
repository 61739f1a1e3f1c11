"""The stated interval of a capacity holds the truth: shown on simulated servers whose capacity is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tandem.measure.results.crossover import Capacity, Trial
from tandem.measure.statistics.bracket import next_rate
from tandem.measure.statistics.quantiles import nearest_rank
from tandem.measure.studies.fit.capacity import capacity, carried, is_met, is_telling, trial_seconds, tried
from tests.unit.tandem.measure.studies.fit.queueing import simulate

SLO = 0.25
SECONDS = 4.0  # of a trial of `tandem bench tradeoff`, and how many
NUM_TRIALS = 5
WARM_UP = 1.0
Floats = NDArray[np.float64]
Latencies = Callable[[Floats, np.random.Generator], Floats]


def run(rate: float, share: float | None, p99: float = 0.1, **given: Any) -> Trial:
    fields: dict[str, Any] = {"seconds": SECONDS, "num_requests": 1000, "num_failed": 0, "valid": True, "problems": ()}
    fields |= {"rate_per_second": rate, "share_within_slo": share, "p50_seconds": rate / 1000, "p99_seconds": p99}
    return Trial.model_validate({**fields, **given})


def found(*trials: Trial) -> Capacity:
    return capacity("parallel", "gan", SLO, trials)


@dataclass(frozen=True)
class Machine:
    """A server that is `most` at a rate: `latencies` are those that requests see which arrive at such times."""

    most_per_second: float
    latencies: Latencies

    def capacity(self, num_arrivals: int) -> float:
        """Return the highest rate with 99 of 100 within the objective in the long run, by bisection."""
        unit = np.cumsum(np.random.default_rng(5).standard_exponential(num_arrivals))
        low, high = 0.0, self.most_per_second
        for _ in range(10):
            rate = (low + high) / 2
            seen = self.latencies(unit / rate, np.random.default_rng(6))[num_arrivals // 10 :]
            low, high = (rate, high) if np.mean(seen <= SLO) >= 0.99 else (low, rate)
        return low

    def run(self, rate: float, random: np.random.Generator) -> Trial:
        seconds = trial_seconds(rate, SECONDS)
        arrivals = np.sort(random.uniform(0.0, WARM_UP + seconds, random.poisson(rate * (WARM_UP + seconds))))
        seen = self.latencies(arrivals, random)[arrivals >= WARM_UP]
        return run(rate, float(np.mean(seen <= SLO)), nearest_rank(seen, 0.99), num_requests=len(seen), seconds=seconds)

    def interval(self, random: np.random.Generator) -> Capacity:
        """Return what trials say that begin where a closed loop would let them, which may bear twice as much."""
        first, trials = 0.6 * self.most_per_second * random.uniform(0.9, 2.0), list[Trial]()
        for number in range(NUM_TRIALS):
            trials.append(self.run(next_rate(tried(trials, SLO), first, NUM_TRIALS - number), random))
        return found(*trials)


def one_at_a_time(
    mean: float, variation: float, pause: float, between: float, arrivals: Floats, random: np.random.Generator
) -> Floats:
    """Lindley's recursion. Service times are gamma; the machine pauses at random, as one whose cores others use."""
    shape = max(variation, 1e-3) ** -2
    services = random.gamma(shape, mean / shape, len(arrivals))
    pauses = random.uniform(arrivals[0], arrivals[-1], random.poisson((arrivals[-1] - arrivals[0]) / between))
    everyone = np.concatenate((arrivals, pauses))
    order = np.argsort(everyone, kind="stable")
    work = np.cumsum(np.concatenate((services, np.full(len(pauses), pause)))[order])
    begun = everyone[order] - np.concatenate(([0.0], work[:-1]))
    latencies = np.empty(len(everyone))
    latencies[order] = work + np.maximum.accumulate(begun) - everyone[order]
    return latencies[: len(arrivals)]


def together(base: float, slope: float, num_steps: int, arrivals: Floats, _: np.random.Generator) -> Floats:
    """Continuous batching in many steps, or in one step whoever waits: `base` and `slope` are of the whole."""
    return simulate(arrivals.tolist(), lambda batch: (base + slope * batch) / num_steps, num_steps, 64)


def machines(random: np.random.Generator) -> Sequence[tuple[Machine, int]]:
    """Return (machine, how often it is measured)."""
    drawn = []
    for number in range(50):
        mean = 1 / float(np.exp(random.uniform(np.log(40), np.log(1500))))
        variation = (0.0, random.uniform(0.2, 0.6), random.uniform(0.6, 1.0))[number % 3]
        pause, between = (0.0, 1e9) if number % 2 else (random.uniform(0.02, 0.1), random.uniform(0.3, 1.0))
        most = (1 - pause / between) / mean
        drawn.append((Machine(most, partial(one_at_a_time, mean, variation, pause, between)), 1))
    curves = ((0.06, 0.0015, 49), (0.02, 0.004, 49), (0.0005, 0.003, 1), (0.01, 0.006, 1))
    return [*drawn, *((Machine(64 / (each[0] + 64 * each[1]), partial(together, *each)), 4) for each in curves)]


def test_the_truth_lies_within_the_interval() -> None:
    held, widths = [], []
    for number, (machine, num_times) in enumerate(machines(np.random.default_rng(1))):
        truth = machine.capacity(10_000 if num_times == 1 else 5_000)
        for time in range(num_times):
            interval = machine.interval(np.random.default_rng((number, time)))
            low, high = interval.low_per_second or 0.0, interval.high_per_second or np.inf
            held.append(low <= truth <= high)
            widths.append(high / low if low else np.inf)
    assert len(held) == 66
    assert np.mean(held) >= 0.9
    assert np.median(widths) <= 1.5  # it says something, too


@pytest.mark.parametrize(
    ("trial", "verdict"),
    [
        (run(10, 0.99), True),
        (run(10, 0.989), False),
        (run(10, 0.5, num_failed=500), False),  # those that failed were not there
        (run(10, 0.995, 0.2), None),
        (run(10, 0.99, num_requests=300), True),
        (run(10, 0.9866, num_requests=300), False),
    ],
)
def test_a_trial_meets_the_objective_with_a_reserve_or_misses_it_or_is_near(trial: Trial, verdict: bool | None) -> None:
    assert is_telling(trial)
    assert is_met(trial, SLO) is verdict


def test_too_few_requests_tell_only_of_many_that_are_late() -> None:
    assert not is_telling(run(10, 1.0, num_requests=299))
    assert not is_telling(run(10, 0.9, num_requests=30))
    assert is_telling(run(10, 0.8, num_requests=30))
    assert not is_telling(run(10, 1.0, valid=False))
    assert not is_telling(run(10, None))


def test_slow_servers_are_tried_for_longer_up_to_a_limit() -> None:
    assert [trial_seconds(rate, 5.0) for rate in (1000.0, 70.0, 35.0, 17.5, 1.0)] == [5.0, 5.0, 10.0, 20.0, 20.0]


def test_the_lower_end_leaves_out_what_a_short_trial_cannot_see() -> None:
    trials = [run(100, 1.0), run(80, 1.0), run(150, 0.5)]
    interval = found(*trials)
    assert (interval.low_per_second, interval.high_per_second) == (100 / (1 + SLO / SECONDS), 150)
    longer = found(*(each.model_copy(update={"seconds": 25.0}) for each in trials))
    assert longer.low_per_second == pytest.approx(100 / 1.01)


def test_invalid_trials_count_for_nothing() -> None:
    interval = found(run(100, 1.0), run(80, 0.2, valid=False), run(150, 0.5))
    assert (interval.low_per_second or 0.0) > 80
    assert found(run(100, 1.0, valid=False)).low_per_second is None
    assert len(found(run(100, 1.0, valid=False)).trials) == 1


def test_latency_is_told_at_the_rates_that_were_carried_alone() -> None:
    trials = [run(10, 1.0), run(100, 1.0, 0.10), run(100, 1.0, 0.12), run(100, 1.0, 0.11), run(150, 1.0, 0.2)]
    assert carried(found(*trials), "p99") == {10: 0.1, 100: 0.11, 150: 0.2}
    assert carried(found(*trials, run(100, 0.5)), "p50") == {10: 0.01}
    assert carried(found(run(10, 0.5)), "p50") == {}
