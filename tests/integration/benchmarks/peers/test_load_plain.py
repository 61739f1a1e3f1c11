"""A plain client that shares no code with the generator finds the same, where the server sets the pace."""

import json
import sys

import pytest

from tandem.measure.scenario import ClosedLoop, Scenario
from tandem.measure.workload_text import parse_workload
from tests.integration.single_runs import run_once
from tests.integration.tandem.cli.commands import run

CALLERS, SECONDS, DELAY_SECONDS = 8, 2.0, 0.2


async def test_both_measure_the_same(known_delays) -> None:
    address = known_delays({"fixed": DELAY_SECONDS}).address
    words = (address, "images", "known", str(CALLERS), str(SECONDS), "0.5")
    ended = await run(sys.executable, "-m", "benchmarks.peers.load_plain", *words)
    assert ended.code == 0, ended.err
    plain = json.loads(ended.out)
    scenario = Scenario(
        workloads=(parse_workload("images"),),
        load=ClosedLoop(concurrency=CALLERS),
        duration_seconds=SECONDS,
        warm_up_seconds=0.5,
    )
    run_result = await run_once(address, scenario)
    (stream,) = run_result.document.streams
    # At the ends of the window a round of all callers is in or out: one in ten.
    assert stream.rates.requests == pytest.approx(plain["requests_per_second"], rel=0.25)
    assert stream.latency.seconds.p50 == pytest.approx(plain["p50"], rel=0.1)
    assert min(stream.latency.seconds.min or 0.0, plain["p50"]) >= DELAY_SECONDS
