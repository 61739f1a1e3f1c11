"""What the generator measures is what is the case: against servers whose delays are known, and computed by hand.

A run in which the generator itself was disturbed by the machine (by its own audit, more strictly than that asks for) is
done again. What is compared is not speed: the delays are the servers' own, tens of times what a call costs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tandem.measure.generator.run import RunResult
from tandem.measure.generator.schedule.arrivals import intended_seconds
from tandem.measure.generator.schedule.request_sequence import RequestSequence
from tandem.measure.results.load import StreamResult
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario, Workload
from tests.integration.single_runs import run_once
from tests.integration.tandem.measure.generator.known_delays import is_slow
from tests.integration.tandem.measure.generator.servers import Server

TOLERANCE = 0.02
QUIET_SECONDS = 0.01
TRIES = 3
IMAGES = Workload(kind="images", delivery="unary", model="known")

Start = Callable[[dict[str, Any]], Server]


async def undisturbed(start: Start, delays: dict[str, Any], scenario: Scenario) -> RunResult:
    """Return a run in which neither generator nor server was ever late by more than QUIET_SECONDS."""
    for _ in range(TRIES):
        run_result = await run_once(start(delays).address, scenario)
        audit = run_result.document.audit
        server = float(np.nanmax(run_result.record.requests["encode"], initial=0.0))
        if max(audit.lateness.max or 0.0, audit.loop_lag.max or 0.0, server) <= QUIET_SECONDS:
            assert audit.valid
            assert run_result.document.problems == ()
            return run_result
    pytest.skip(f"this machine is too busy: {TRIES} runs, each disturbed by more than {QUIET_SECONDS * 1e3:g} ms")


def open_scenario(rate: float, num_requests: int, seed: int = 0, workload: Workload = IMAGES) -> Scenario:
    load = OpenLoop(rate_per_second=rate)
    return Scenario(workloads=(workload,), load=load, num_requests=num_requests, warm_up_seconds=0.0, seed=seed)


def exact(values: list[float] | np.ndarray) -> dict[str, float]:
    quantiles = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    return {name: float(np.quantile(values, q, method="inverted_cdf")) for name, q in quantiles.items()}


def assert_as_known(stream: StreamResult, known: dict[str, float]) -> None:
    for name, seconds in known.items():
        assert getattr(stream.latency.seconds, name) == pytest.approx(seconds, rel=TOLERANCE), name


async def test_a_bimodal_delay(known_delays: Start) -> None:
    scenario = open_scenario(300, 1000)
    sequence = RequestSequence(scenario)
    known = [1.0 if is_slow(sequence[number].seed, 0.05) else 0.5 for number in range(1000)]
    assert 20 < known.count(1.0) < 100
    run_result = await undisturbed(known_delays, {"bimodal": [0.5, 1.0, 0.05]}, scenario)
    stream = run_result.document.streams[0]
    assert_as_known(stream, exact(known))
    assert sum(stream.latency.histogram.counts[i] for i in _buckets_above(stream, 0.75)) == known.count(1.0)


def _buckets_above(stream: StreamResult, seconds: float) -> list[int]:
    bounds = stream.latency.histogram.bounds_seconds
    return [i for i in range(len(bounds) + 1) if i > 0 and bounds[i - 1] >= seconds]


async def test_a_queue_before_a_single_server(known_delays: Start) -> None:
    """Against the waits that follow from the very arrivals the generator intended (Lindley's recursion)."""
    service = 0.004
    scenario = open_scenario(300, 1000, seed=3)
    assert isinstance(scenario.load, OpenLoop)
    known, free_at = [], 0.0
    for arrival in intended_seconds(scenario, scenario.load):
        free_at = max(arrival, free_at) + service
        known.append(free_at - arrival)
    assert exact(known)["p50"] > 20 * service
    run_result = await undisturbed(known_delays, {"queue": service}, scenario)
    assert_as_known(run_result.document.streams[0], exact(known))


async def test_a_stall_has_its_weight_in_the_tail(known_delays: Start) -> None:
    """No coordinated omission: every request that was due while the server stood still waited for its rest."""
    delay, stall, spacing, begin = 0.05, 1.0, 0.002, 300
    scenario = open_scenario(200, 1000)
    assert isinstance(scenario.load, OpenLoop)
    arrivals = intended_seconds(scenario, scenario.load)
    known, answered_at = np.zeros(1000), 0.0
    for number, arrival in enumerate(arrivals):
        free_at = arrivals[begin] + stall if number >= begin else 0.0
        answered_at = max(arrival + delay, free_at + delay, answered_at + spacing)
        known[number] = answered_at - arrival
    seed = RequestSequence(scenario)[begin].seed
    run_result = await undisturbed(known_delays, {"stall": [delay, seed, stall, spacing]}, scenario)
    stream = run_result.document.streams[0]
    assert_as_known(stream, {name: seconds for name, seconds in exact(known).items() if name != "p50"})
    rows = run_result.record.requests
    measured = rows["ended"] - rows["intended"]
    assert np.sum(measured > delay + stall / 2) == pytest.approx(np.sum(known > delay + stall / 2), abs=2)
    assert np.sum(known > delay + stall / 2) > 80


async def test_a_closed_loop_omits_most_of_a_stall(known_delays: Start) -> None:
    """What an open loop is for: here only those few that were under way saw it."""
    scenario = Scenario(workloads=(IMAGES,), load=ClosedLoop(concurrency=4), num_requests=100, warm_up_seconds=0.0)
    seed = RequestSequence(scenario)[50].seed
    run_result = await run_once(known_delays({"stall": [0.02, seed, 1.0, 0.0]}).address, scenario)
    rows = run_result.record.requests
    assert np.sum(rows["ended"] - rows["intended"] > 0.5) <= 4


async def test_messages_are_timed_one_by_one(known_delays: Start) -> None:
    workload = Workload(kind="images", delivery="streamed", model="known", images=5)  # type: ignore[arg-type]
    scenario = open_scenario(40, 40, workload=workload)
    run_result = await undisturbed(known_delays, {"fixed": 0.5}, scenario)
    stream = run_result.document.streams[0]
    assert stream.gap is not None
    assert (stream.gap.seconds.count, stream.num_messages) == (40 * 4, 40 * 5)
    assert stream.first_output.seconds.p50 == pytest.approx(0.5, rel=TOLERANCE)
    assert stream.gap.seconds.p50 == pytest.approx(0.5, rel=TOLERANCE)
    assert stream.latency.seconds.p50 == pytest.approx(2.5, rel=TOLERANCE)
