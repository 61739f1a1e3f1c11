"""The load generator before servers of other protocols: times, counts, and what failures are called."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator

import pytest

from tandem.measure.generator.requests import served
from tandem.measure.results.load import StreamResult
from tandem.measure.scenario import Api, ClosedLoop, OpenLoop, Scenario, Workload
from tandem.measure.truth.server import TruthServer
from tandem.shared.errors import ExpectedError
from tests.integration.single_runs import run_once
from tests.integration.tandem.measure.generator.servers import serving
from tests.integration.tandem.measure.generator.test_truth import TOLERANCE, undisturbed

MODULE = "tests.integration.tandem.measure.generator.known_http"
TEXT = Workload.model_validate({"kind": "text", "delivery": "streamed", "api": "openai", "output_tokens": 6})
Start = Callable[..., str]


@pytest.fixture
def known_http() -> Iterator[Start]:
    """Start servers whose failures are known; returns their addresses."""
    with contextlib.ExitStack() as servers:
        yield lambda **values: servers.enter_context(serving(MODULE, json.dumps(values))).address


def closed(workload: Workload = TEXT, num_requests: int = 12, concurrency: int = 3) -> Scenario:
    load = ClosedLoop(concurrency=concurrency)
    return Scenario(workloads=(workload,), load=load, num_requests=num_requests, warm_up_seconds=0.0)


async def only(address: str, scenario: Scenario) -> StreamResult:
    (stream,) = (await run_once(address, scenario)).document.streams
    return stream


@pytest.mark.parametrize("api", ["tandem", "openai", "openai-chat", "oip"])
async def test_events_are_timed_one_by_one(known_times: Callable[..., TruthServer], api: Api) -> None:
    workload = TEXT.model_copy(update={"api": api})
    scenario = Scenario(workloads=(workload,), load=OpenLoop(rate_per_second=20), num_requests=30, warm_up_seconds=0.0)
    run_result, truth = await undisturbed(lambda: known_times(first="0.5", gap="0.25"), scenario)
    (stream,) = run_result.document.streams
    assert stream.gap is not None
    assert (stream.outcomes.ok, stream.num_outputs, stream.gap.seconds.count) == (30, 30 * 6, 30 * 5)
    for found, known, seconds in (
        (stream.first_output.seconds, truth.ttft, 0.5),
        (stream.gap.seconds, truth.gap, 0.25),
        (stream.latency.seconds, truth.latency, 0.5 + 5 * 0.25),
    ):
        assert found.p50 == pytest.approx(known.p50, rel=TOLERANCE)
        assert found.p50 == pytest.approx(seconds, rel=TOLERANCE)
    assert stream.phases is None
    assert stream.model == "truth"  # the only one that the server lists


@pytest.mark.parametrize("api", ["tandem", "openai", "openai-chat", "oip"])
async def test_a_whole_answer_is_timed_at_its_end(known_times: Callable[..., TruthServer], api: Api) -> None:
    workload = TEXT.model_copy(update={"api": api, "delivery": "unary"})
    run_result, truth = await undisturbed(lambda: known_times(first="0.25", gap="0.05"), closed(workload))
    (stream,) = run_result.document.streams
    assert (stream.outcomes.ok, stream.num_outputs) == (12, 72)
    assert stream.num_prompt_tokens == (12 * 32 if workload.is_http else None)
    assert stream.latency.seconds.p50 == pytest.approx(truth.latency.p50, rel=TOLERANCE)
    assert stream.latency.seconds.p50 == pytest.approx(0.5, rel=2 * TOLERANCE)
    assert stream.first_output.seconds.p50 == stream.latency.seconds.p50


async def test_without_usage_each_event_with_text_counts_as_one_and_the_result_says_so(known_http: Start) -> None:
    stream = await only(known_http(tokens=4, usage=False), closed())
    assert (stream.num_outputs, stream.num_uncounted, stream.num_prompt_tokens) == (24, 12, None)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "INVALID_ARGUMENT"), (429, "RESOURCE_EXHAUSTED"), (500, "INTERNAL"), (503, "UNAVAILABLE")],
)
async def test_an_error_has_the_category_of_its_status(known_http: Start, status: int, code: str) -> None:
    stream = await only(known_http(status=status), closed(num_requests=3))
    assert stream.codes == {code: 3}
    assert {error.text for error in stream.errors} == {"not now"}


async def test_a_stream_that_tells_of_an_error_has_its_category(known_http: Start) -> None:
    stream = await only(known_http(fail=3), closed(num_requests=3))
    assert stream.codes == {"UNAVAILABLE": 3}
    assert {error.text for error in stream.errors} == {"the model is gone"}


async def test_a_deadline_and_a_cancel(known_http: Start) -> None:
    address = known_http(first=60.0)
    stream = await only(address, closed(TEXT.model_copy(update={"deadline_seconds": 0.2}), 3))
    assert (stream.outcomes.deadline, stream.codes) == (3, {"DEADLINE_EXCEEDED": 3})
    stream = await only(address, closed(TEXT.model_copy(update={"cancel_share": 1.0}), 3))
    assert stream.outcomes.cancelled == 3


async def test_connections_that_the_server_ends_lose_nothing(known_http: Start) -> None:
    stream = await only(known_http(close=True), closed(num_requests=60))
    assert stream.outcomes.ok == 60


@pytest.mark.parametrize(
    ("reply", "words"),
    [(b"\x00\x00\x12\x04 no HTTP", r"no HTTP reply \(BadStatusLine\)"), (b"", "no reply within 0.2 s")],
)
async def test_a_server_that_speaks_no_http_or_is_silent(
    monkeypatch: pytest.MonkeyPatch, reply: bytes, words: str
) -> None:
    monkeypatch.setattr(served, "_SECONDS", 0.2)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        if not reply:
            await reader.read()  # until the client gives up
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ExpectedError, match=rf"http://127.0.0.1:{port}/v1/models: {words}; name one by --model"):
            await served.name_model(f"127.0.0.1:{port}", TEXT)
