"""Processes of the generator stay up: scenarios one after another, what is kept, what is given, and how they end."""

from __future__ import annotations

import asyncio
import signal

import numpy as np
import psutil
import pytest

from tandem.ar.v1 import ar_pb2
from tandem.measure.generator.generator import BrokenOff, generator, stopped_by_hand
from tandem.measure.generator.requests.reading import images_by_number
from tandem.measure.results.record import Outcome
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario
from tandem.measure.workload_text import parse_workload
from tests.integration.tandem.measure.generator.servers import answered


def scenario(workload: str, **settings: object) -> Scenario:
    usual = {"load": ClosedLoop(concurrency=2), "num_requests": 10, "warm_up_seconds": 0.0}
    return Scenario(workloads=(parse_workload(workload),), **(usual | settings))  # type: ignore[arg-type]


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children() if "tandem.measure.generator.worker" in child.cmdline()}


async def test_scenarios_share_processes_that_end_with_the_generator(backend: str) -> None:
    async with generator(backend) as source:
        seen = []
        for workload, processes in (("images", 1), ("text,tokens=3", 2), ("images,streamed,images=2", 1)):
            run_result = await source.run(scenario(workload, num_processes=processes))
            assert run_result.document.streams[0].outcomes.ok == 10
            assert len(run_result.document.audit.processes) == processes
            seen.append(children())
        assert seen[0] < seen[1] == seen[2]
        assert len(seen[1]) == 2
    assert not children()


async def test_replies_are_kept_if_asked_for(backend: str) -> None:
    async with generator(backend) as source:
        plain = await source.run(scenario("images"))
        assert len(plain.record.replies) == 0
        images = await source.run(scenario("images", keep_replies=True, num_processes=2))
        found = images_by_number(images.record, "Sample")
        assert sorted(found) == images.record.requests["number"].tolist()
        assert {pixels.shape for pixels in found.values()} == {(4, 4, 1)}


async def test_given_requests_are_sent_in_turn(backend: str) -> None:
    given = [
        ar_pb2.GenerateRequest(sampling=ar_pb2.SamplingParams(max_tokens=count)).SerializeToString() for count in (1, 4)
    ]
    async with generator(backend) as source:
        run_result = await source.run(scenario("text"), requests=[given])
    rows = run_result.record.requests
    np.testing.assert_array_equal(rows["num_outputs"], np.where(rows["number"] % 2, 4, 1))


async def test_what_is_broken_off_keeps_what_it_has_and_the_next_is_broken_off_at_once(known_times) -> None:
    stop = asyncio.Event()
    server = known_times(first="0.05")
    async with generator(server.address, stop) as source:
        run = asyncio.create_task(source.run(scenario("images", num_requests=1000)))
        await answered(server)
        stop.set()
        run_result = await run
        assert run_result.document.problems[0] == "broken off by hand"
        assert 0 < run_result.document.streams[0].outcomes.ok < 1000  # the last replies may still be on their way
        after = await source.run(scenario("images", num_requests=1000, load=OpenLoop(rate_per_second=1)))
        assert after.document.is_partial
        outcomes = after.document.streams[0].outcomes
        assert (outcomes.planned, outcomes.ok) == (1000, 0)
        assert outcomes.abandoned > 900
        stop.clear()
        whole = await source.run(scenario("images"))
        assert set(whole.record.requests["outcome"].tolist()) == {Outcome.OK}


async def test_a_process_that_dies_is_told_of(backend: str) -> None:
    async with generator(backend) as source:
        await source.run(scenario("images"))
        (pid,) = children()
        psutil.Process(pid).kill()
        with pytest.raises(ChildProcessError, match="exit code -9"):
            await source.run(scenario("images"))


async def test_the_first_ctrl_c_stops_and_the_next_does_what_it_does_elsewhere(backend: str) -> None:
    with stopped_by_hand() as stop:
        async with generator(backend, stop) as source:
            source.check_not_stopped()
            signal.raise_signal(signal.SIGINT)
            await stop.wait()
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
            with pytest.raises(BrokenOff, match="broken off by hand"):
                source.check_not_stopped()
