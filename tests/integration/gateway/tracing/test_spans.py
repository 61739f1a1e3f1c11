"""Requests through a real Envoy become spans at a real collector: one each, with the parts of its time below."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import grpc
import httpx
import pytest

from gateway.tracing.settings import TracingSettings
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument, NotFound, ResourceExhausted, Unavailable
from tests.integration.gateway.fakes import GENERATE, HOLD, SAMPLE, SCORE, FakeBackend, FakeSequential
from tests.integration.gateway.running import RunningGateway, running_gateway
from tests.integration.gateway.tracing.collector import Collector, attributes
from tests.integration.gateway.ways import WAYS

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = (("traceparent", f"00-{TRACE}-{SPAN}-01"), ("tracestate", "vendor=1"))
HELD = ar_pb2.GenerateRequest(text=HOLD).SerializeToString()


async def finish(call: Any) -> str:
    """Return the code that this call's client saw."""
    try:
        await call if hasattr(call, "__await__") else [message async for message in call]
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def test_a_request_is_one_span_of_its_callers_trace(traced: RunningGateway, collector: Collector) -> None:
    assert await finish(traced.stream(GENERATE, b"", metadata=SAMPLED)) == "OK"
    [span] = await collector.requests(1)
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, SPAN, "vendor=1")
    assert (span.name, span.status.code) == ("generate_content fake-text", span.status.STATUS_CODE_UNSET)
    assert collector.services == {"tandem-gateway"}
    told = attributes(span)
    assert told.pop("tandem.request_id")
    assert told.pop("tandem.replica").startswith("127.0.0.1:")
    for measured in [name for name in told if ".latency." in name]:
        assert told.pop(measured) >= 0
    assert told == {
        "rpc.system.name": "grpc",
        "rpc.method": "tandem.ar.v1.AutoregressiveService/Generate",
        "rpc.response.status_code": "OK",
        "server.address": "127.0.0.1",
        "server.port": traced.gateway.server.port,
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "tandem",
        "gen_ai.request.model": "fake-text",
        "gen_ai.response.model": "fake-text",
        "gen_ai.usage.input_tokens": 1,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.output_tokens": 3,
        "tandem.paradigm": "sequential",
        "tandem.transport": "grpc",
        "tandem.streaming": True,
        "tandem.mean_batch_size": 1.0,
    }


async def test_grpc_web_is_one_span_too(ar: FakeBackend, collector: Collector) -> None:
    tracing = TracingSettings(endpoint=collector.address)
    async with running_gateway([ar], tracing=tracing, browser_origins=["http://a.example"]) as traced:
        address = f"http://127.0.0.1:{traced.gateway.server.port}{GENERATE}"
        headers = {"content-type": "application/grpc-web+proto"}
        async with httpx.AsyncClient() as client:
            for sent, parent in ((dict(SAMPLED), SPAN), ({}, "")):
                response = await client.post(address, content=bytes(5), headers={**headers, **sent})
                assert b"grpc-status:0" in response.content
                span = (await collector.requests(1 if parent else 2))[-1]
                assert (span.parent_span_id.hex(), attributes(span)["tandem.transport"]) == (parent, "grpc-web")
                assert (span.trace_id.hex() == TRACE) is bool(parent)


async def test_the_parts_are_the_whole_and_agree_with_the_metrics(traced: RunningGateway, collector: Collector) -> None:
    for _ in range(5):
        await finish(traced.stream(GENERATE, b"", metadata=SAMPLED))
        await finish(traced.unary(SAMPLE, b"\x10\x02", metadata=SAMPLED))
    spans = await collector.requests(10)
    whole = 0
    for span in spans:
        children = sorted(collector.children(span), key=lambda each: each.start_time_unix_nano)
        assert {child.trace_id.hex() for child in children} == {TRACE}
        assert children[0].start_time_unix_nano == span.start_time_unix_nano
        assert children[-1].end_time_unix_nano == span.end_time_unix_nano
        assert all(a.end_time_unix_nano == b.start_time_unix_nano for a, b in itertools.pairwise(children))
        whole += span.end_time_unix_nano - span.start_time_unix_nano
    await traced.until_idle()
    assert whole == pytest.approx(1e9 * traced.value("gen_ai_server_request_duration_seconds_sum"), abs=100)
    for phase in ("queue", "gateway", "residual", "decode", "compute"):
        named = [span for span in collector.spans if span.name == phase]
        seconds = sum(span.end_time_unix_nano - span.start_time_unix_nano for span in named) * 1e-9
        assert seconds == pytest.approx(traced.value("tandem_phase_seconds_sum", phase=phase), abs=1e-7)


async def test_latencies_by_the_names_that_other_servers_use(traced: RunningGateway, collector: Collector) -> None:
    await finish(traced.stream(GENERATE, b"", metadata=SAMPLED))
    await finish(traced.unary(SAMPLE, b"\x10\x02", metadata=SAMPLED))
    text, images = map(attributes, sorted(await collector.requests(2), key=lambda span: span.start_time_unix_nano))
    assert text["gen_ai.latency.time_in_model_prefill"] == pytest.approx(2e-5)
    assert text["gen_ai.latency.time_in_model_decode"] == pytest.approx(3e-5)
    assert 0 < text["gen_ai.latency.time_to_first_token"] <= text["gen_ai.latency.e2e"]
    assert "gen_ai.latency.time_in_queue" in text
    assert images["tandem.latency.time_in_compute"] == pytest.approx(4e-5)
    assert 0 < images["tandem.latency.time_to_first_output"] <= images["gen_ai.latency.e2e"]
    assert (images["tandem.output_images"], images["gen_ai.output.type"]) == (2, "image")
    assert "gen_ai.usage.output_tokens" not in images


async def test_a_trace_that_nobody_began_is_told_to_the_backend_and_to_the_client(
    traced: RunningGateway, collector: Collector, text: FakeSequential
) -> None:
    seen: list[str] = []
    text.on_score = lambda request, call: note(seen, call, text, request)
    call = traced.unary(SCORE, b"")
    told = dict(await call.initial_metadata())["traceresponse"]
    await call
    [span] = await collector.requests(1)
    assert told == f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"
    assert seen == [span.trace_id.hex()]
    assert (span.parent_span_id, span.name) == (b"", "score fake-text")


async def note(seen: list[str], call: Any, text: FakeSequential, request: Any) -> Any:
    seen.append(call.trace_id)
    return await text._score(request, call)


CODES = {
    "INVALID_ARGUMENT": InvalidArgument("a", 1, "2"),
    "NOT_FOUND": NotFound("x", []),
    "RESOURCE_EXHAUSTED": ResourceExhausted("queue", 1, 1),
    "UNAVAILABLE": Unavailable("gone"),
    "INTERNAL": RuntimeError("a fault"),
}


@pytest.mark.parametrize("code", CODES)
async def test_each_code_and_which_of_them_are_the_server_s_errors(
    traced: RunningGateway, collector: Collector, text: FakeSequential, code: str
) -> None:
    async def fail() -> None:
        raise CODES[code]

    text.before_message = lambda index: fail() if index == 1 else None
    assert await finish(traced.stream(GENERATE, b"", metadata=SAMPLED)) == code
    [span] = await collector.requests(1)
    check_ended(span, code)
    assert "fault" not in str(span)


async def test_a_deadline_and_a_cancellation(
    traced: RunningGateway, collector: Collector, text: FakeSequential
) -> None:
    assert await finish(traced.stream(GENERATE, HELD, timeout=2.0, metadata=SAMPLED)) == "DEADLINE_EXCEEDED"
    [late] = await collector.requests(1)
    check_ended(late, "DEADLINE_EXCEEDED")
    text.started.clear()
    call = traced.stream(GENERATE, HELD, metadata=SAMPLED)
    await text.started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finish(call)
    cancelled = (await collector.requests(2))[1]
    check_ended(cancelled, "CANCELLED")
    assert (cancelled.trace_id.hex(), cancelled.parent_span_id.hex()) == (TRACE, SPAN)


def check_ended(span: Any, code: str) -> None:
    told = attributes(span)
    assert (told["rpc.response.status_code"], told["error.type"]) == (code, code)
    is_fault = code in ("DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE")
    assert (span.status.code == span.status.STATUS_CODE_ERROR) is is_fault


async def test_what_envoy_refuses_itself_is_a_span_all_the_same(traced: RunningGateway, collector: Collector) -> None:
    too_large = bytes((4 << 20) + 1)
    assert await finish(traced.unary(SAMPLE, too_large, metadata=SAMPLED)) == "RESOURCE_EXHAUSTED"
    assert await finish(traced.unary(SAMPLE, too_large)) == "RESOURCE_EXHAUSTED"
    known, new = sorted(await collector.requests(2), key=lambda span: span.start_time_unix_nano)
    assert (known.trace_id.hex(), known.parent_span_id.hex()) == (TRACE, SPAN)
    assert (new.name, new.parent_span_id) == ("generate_content", b"")
    assert new.trace_id.hex() != TRACE
    for span in (known, new):
        check_ended(span, "RESOURCE_EXHAUSTED")
        assert {child.name for child in collector.children(span)} <= {"sockets", "gateway"}


@pytest.mark.parametrize("way", WAYS)
async def test_the_callers_span_is_the_parent(traced: RunningGateway, collector: Collector, way: str) -> None:
    assert (await WAYS[way](traced, "a", dict(SAMPLED))).status == 200
    [span] = await collector.requests(1)
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, SPAN, "vendor=1")
    assert attributes(span)["tandem.transport"] == way.partition(" ")[0]


@pytest.mark.parametrize("way", WAYS)
async def test_without_a_parent_the_request_is_the_first_span(
    traced: RunningGateway, collector: Collector, way: str
) -> None:
    await WAYS[way](traced, "a", {})
    await WAYS[way](traced, "a", {"traceparent": "nonsense", "tracestate": "a=b"})
    spans = await collector.requests(2)
    assert [span.parent_span_id for span in spans] == [b"", b""]
    assert spans[0].trace_id != spans[1].trace_id
