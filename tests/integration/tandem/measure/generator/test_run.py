"""A load against a server that answers at once: every request is counted, once, whatever the load is like."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from tandem.measure.generator.run import RunResult
from tandem.measure.results.load import StreamResult
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario
from tandem.measure.workload_text import parse_workload
from tests.integration.single_runs import run_once


async def conducted(
    address: str, load: OpenLoop | ClosedLoop, *workloads: str, stop: asyncio.Event | None = None, **settings: object
) -> RunResult:
    usual = {"warm_up_seconds": 0.0} | settings
    scenario = Scenario(workloads=tuple(parse_workload(workload) for workload in workloads), load=load, **usual)  # type: ignore[arg-type]
    return await run_once(address, scenario, stop)


def assert_complete(run_result: RunResult, planned_requests: int) -> None:
    """Every request has one row or is counted as not sent, and no number comes twice."""
    outcomes = [stream.outcomes.model_dump() for stream in run_result.document.streams]
    assert sum(outcome["planned"] for outcome in outcomes) == planned_requests
    for each in outcomes:
        assert each.pop("planned") == sum(each.values())
    numbers = run_result.record.requests["number"]
    assert len(np.unique(numbers)) == len(numbers)


def by_name(run_result: RunResult) -> dict[str, StreamResult]:
    return {stream.name: stream for stream in run_result.document.streams}


@pytest.mark.parametrize("num_processes", [1, 3])
async def test_an_open_loop_of_both_paradigms(backend: str, num_processes: int) -> None:
    workloads = ("text,tokens=uniform:2:6", "text,unary", "images,weight=2", "images,streamed,images=6")
    load = OpenLoop(rate_per_second=300)
    run_result = await conducted(backend, load, *workloads, num_requests=300, num_processes=num_processes)
    assert_complete(run_result, 300)
    assert run_result.document.problems == ()
    streams = by_name(run_result)
    assert {name: stream.outcomes.ok == stream.outcomes.planned for name, stream in streams.items()} == dict.fromkeys(
        streams, True
    )
    assert streams["images fake-gan streamed"].num_messages == 3 * streams["images fake-gan streamed"].outcomes.ok
    text = streams["text fake-text streamed"]
    asked = run_result.record.requests[run_result.record.requests["workload"] == 0]
    assert text.num_outputs == np.sum(asked["length"]) == np.sum(asked["num_outputs"])
    assert text.gap is not None
    assert text.gap.seconds.count == text.num_outputs - text.outcomes.ok
    assert streams["images fake-gan unary"].gap is None
    assert len(run_result.document.audit.processes) == num_processes
    assert [model.name for model in run_result.document.models] == ["fake-text", "fake-gan"]


@pytest.mark.parametrize("load", [OpenLoop(rate_per_second=100), ClosedLoop(concurrency=3)])
async def test_without_a_compiler_the_sender_in_python_does_it_and_the_document_says_so(
    backend: str, load: OpenLoop | ClosedLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    run_result = await conducted(backend, load, "images", "text,tokens=3", num_requests=40)
    assert_complete(run_result, 40)
    assert {stream.outcomes.ok == stream.outcomes.planned for stream in run_result.document.streams} == {True}
    assert [process.sender for process in run_result.document.audit.processes] == ["Python"]
    assert by_name(run_result)["text fake-text streamed"].phases is not None


async def test_a_closed_loop_of_a_number(backend: str) -> None:
    run_result = await conducted(backend, ClosedLoop(concurrency=5), "images", num_requests=203, num_processes=2)
    assert_complete(run_result, 203)
    assert run_result.document.audit.max_outstanding <= 5


async def test_callers_of_a_ramp_join_one_after_another(known_times) -> None:
    load = ClosedLoop(concurrency=1, end_concurrency=4)
    run_result = await conducted(known_times(first="0.05").address, load, "images", duration_seconds=1.2)
    rows = run_result.record.requests
    instants = np.sort(np.concatenate((rows["sent"], rows["ended"])))
    under_way = [int(np.sum((rows["sent"] <= at) & (rows["ended"] > at))) for at in instants]
    early, late = (np.max(under_way, where=where, initial=0) for where in (instants < 0.19, instants > 1.01))
    assert (early, late) == (1, 4)


async def test_random_cancels_end_as_cancelled_by_us(known_times) -> None:
    load = OpenLoop(rate_per_second=200)
    workload = "images,cancel=0.5,cancel-after=0.01:0.1"
    run_result = await conducted(known_times(first="0.4").address, load, workload, num_requests=200)
    (stream,) = run_result.document.streams
    assert_complete(run_result, 200)
    assert 60 < stream.outcomes.cancelled < 140
    assert stream.outcomes.cancelled + stream.outcomes.ok == 200
    assert stream.codes == {"OK": stream.outcomes.ok, "CANCELLED": stream.outcomes.cancelled}
    assert run_result.document.problems == ()


async def test_what_is_under_way_too_long_is_cut_off_and_the_run_invalid(known_times) -> None:
    load = OpenLoop(rate_per_second=100)
    run_result = await conducted(
        known_times(first="bimodal:0.02:30:0.1").address, load, "images", num_requests=100, drain_seconds=0.5
    )
    (stream,) = run_result.document.streams
    assert_complete(run_result, 100)
    assert stream.outcomes.unfinished > 2
    assert "unfinished" in [check.name for check in run_result.document.audit.checks if not check.passed]


async def test_a_model_that_is_not_there_is_named_with_those_that_are(backend: str) -> None:
    with pytest.raises(ValueError, match="'nope' is not served; parallel image models there: fake-gan"):
        await conducted(backend, OpenLoop(rate_per_second=1), "images,model=nope", num_requests=1)
    with pytest.raises(ValueError, match="no sequential image model is served there"):
        await conducted(backend, OpenLoop(rate_per_second=1), "image", num_requests=1)
