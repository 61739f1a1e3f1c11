"""What the generator measures is what is the case: against servers whose times are known, and computed by hand.

A run in which the generator itself was disturbed by the machine (by its own audit, more strictly than that asks for) is
done again. What is compared is not speed: the delays are the servers' own, tens of times what a call costs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tandem.measure.generator.run import RunResult
from tandem.measure.generator.schedule.arrivals import intended_seconds
from tandem.measure.results.load import StreamResult
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario, Workload
from tandem.measure.truth.findings import Truth, truth_of
from tandem.measure.truth.server import TruthServer
from tests.integration.single_runs import run_once

TOLERANCE = 0.02
QUIET_SECONDS = 0.01
TRIES = 3
IMAGES = Workload(kind="images", delivery="unary", model="truth")

Start = Callable[[], TruthServer]


async def undisturbed(start: Start, scenario: Scenario) -> tuple[RunResult, Truth]:
    """Return a run in which the generator was never late by more than QUIET_SECONDS, and what the server says of it."""
    for _ in range(TRIES):
        server = start()
        run_result = await run_once(server.address, scenario)
        audit = run_result.document.audit
        if max(audit.lateness.max or 0.0, audit.loop_lag.max or 0.0) <= QUIET_SECONDS:
            assert audit.valid
            assert run_result.document.problems == ()
            return run_result, truth_of(server.record())
    pytest.skip(f"this machine is too busy: {TRIES} runs, each disturbed by more than {QUIET_SECONDS * 1e3:g} ms")


def open_scenario(rate: float, num_requests: int, seed: int = 0, workload: Workload = IMAGES) -> Scenario:
    load = OpenLoop(rate_per_second=rate)
    return Scenario(workloads=(workload,), load=load, num_requests=num_requests, warm_up_seconds=0.0, seed=seed)


def arrivals_of(scenario: Scenario) -> np.ndarray:
    assert isinstance(scenario.load, OpenLoop)
    return intended_seconds(scenario, scenario.load)


def exact(values: list[float] | np.ndarray) -> dict[str, float]:
    quantiles = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    return {name: float(np.quantile(values, q, method="inverted_cdf")) for name, q in quantiles.items()}


def assert_as_known(stream: StreamResult, truth: Truth, known: dict[str, float]) -> None:
    """As the server says, by its own clock, and as the law says, but for the lateness of the server's machine."""
    for name, seconds in known.items():
        assert getattr(stream.latency.seconds, name) == pytest.approx(getattr(truth.latency, name), rel=TOLERANCE), name
        late = truth.lateness.max or 0.0
        assert seconds <= getattr(stream.latency.seconds, name) <= seconds * (1 + TOLERANCE) + late, name


async def test_a_bimodal_delay(known_times: Callable[..., TruthServer]) -> None:
    run_result, truth = await undisturbed(lambda: known_times(first="bimodal:0.5:1:0.05"), open_scenario(300, 1000))
    (stream,) = run_result.document.streams
    assert_as_known(stream, truth, {"p50": 0.5, "p99": 1.0, "p999": 1.0})
    assert sum(stream.latency.histogram.counts[i] for i in _buckets_above(stream, 0.75)) == 50
    assert truth.requests_per_second == pytest.approx(999 / np.ptp(arrivals_of(open_scenario(300, 1000))), rel=0.01)


def _buckets_above(stream: StreamResult, seconds: float) -> list[int]:
    bounds = stream.latency.histogram.bounds_seconds
    return [i for i in range(len(bounds) + 1) if i > 0 and bounds[i - 1] >= seconds]


async def test_a_queue_before_a_single_server(known_times: Callable[..., TruthServer]) -> None:
    """Against the waits that follow from the very arrivals the generator intended (Lindley's recursion)."""
    service = 0.004
    scenario = open_scenario(300, 1000, seed=3)
    known, free_at = [], 0.0
    for arrival in arrivals_of(scenario):
        free_at = max(arrival, free_at) + service
        known.append(free_at - arrival)
    assert exact(known)["p50"] > 20 * service
    run_result, _ = await undisturbed(lambda: known_times(first=str(service), slots=1), scenario)
    (stream,) = run_result.document.streams
    for name, seconds in exact(known).items():
        assert getattr(stream.latency.seconds, name) == pytest.approx(seconds, rel=TOLERANCE), name


async def test_a_stall_has_its_weight_in_the_tail(known_times: Callable[..., TruthServer]) -> None:
    """No coordinated omission: every request that was due while the server stood still waited for its rest."""
    delay, begin, stall = 0.05, 1.5, 1.0
    scenario = open_scenario(200, 1000)
    arrivals = arrivals_of(scenario)
    due, from_, until = arrivals + delay, arrivals[0] + begin, arrivals[0] + begin + stall
    known = np.where((due >= from_) & (due < until), until, due) - arrivals
    run_result, _ = await undisturbed(lambda: known_times(first=str(delay), stall=(begin, stall)), scenario)
    (stream,) = run_result.document.streams
    for name, seconds in exact(known).items():
        assert getattr(stream.latency.seconds, name) == pytest.approx(seconds, rel=TOLERANCE, abs=QUIET_SECONDS), name
    rows = run_result.record.requests
    measured = rows["ended"] - rows["intended"]
    assert np.sum(measured > delay + stall / 2) == pytest.approx(np.sum(known > delay + stall / 2), abs=2)
    assert np.sum(known > delay + stall / 2) > 80


async def test_a_closed_loop_omits_most_of_a_stall(known_times: Callable[..., TruthServer]) -> None:
    """What an open loop is for: here only those few that were under way saw it."""
    scenario = Scenario(workloads=(IMAGES,), load=ClosedLoop(concurrency=4), num_requests=100, warm_up_seconds=0.0)
    run_result = await run_once(known_times(first="0.02", stall=(0.2, 1.0)).address, scenario)
    rows = run_result.record.requests
    assert 0 < np.sum(rows["ended"] - rows["intended"] > 0.5) <= 4


async def test_messages_are_timed_one_by_one(known_times: Callable[..., TruthServer]) -> None:
    workload = Workload(kind="images", delivery="streamed", model="truth", images=5)  # type: ignore[arg-type]
    run_result, truth = await undisturbed(
        lambda: known_times(first="0.5", gap="0.5"), open_scenario(40, 40, workload=workload)
    )
    (stream,) = run_result.document.streams
    assert stream.gap is not None
    assert (stream.gap.seconds.count, stream.num_messages) == (40 * 4, 40 * 5)
    for found, known, seconds in (
        (stream.first_output.seconds, truth.ttft, 0.5),
        (stream.gap.seconds, truth.gap, 0.5),
        (stream.latency.seconds, truth.latency, 2.5),
    ):
        assert found.p50 == pytest.approx(known.p50, rel=TOLERANCE)
        assert found.p50 == pytest.approx(seconds, rel=TOLERANCE)
