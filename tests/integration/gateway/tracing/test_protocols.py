"""Requests that come in another way than by gRPC belong to their callers' traces as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
import tritonclient.grpc.aio as triton

from tests.integration.gateway.fakes import SAMPLE, TEXT_MODEL
from tests.integration.gateway.protocols.oip.inputs import text_inputs
from tests.integration.gateway.running import RunningGateway
from tests.integration.gateway.tracing.collector import Collector, attributes
from tests.integration.gateway.tracing.test_spans import SAMPLED, SPAN, TRACE

HEADERS: Mapping[str, str] = dict(SAMPLED)
INFER = {"inputs": [{"name": "text_input", "datatype": "BYTES", "shape": [1], "data": ["a"]}]}


async def over_http(gateway: RunningGateway, headers: Mapping[str, str]) -> None:
    async with httpx.AsyncClient(base_url=gateway.web_address, timeout=60) as client:
        assert (await client.post(SAMPLE, json={}, headers=headers)).status_code == 200


async def over_oip(gateway: RunningGateway, headers: Mapping[str, str]) -> None:
    async with triton.InferenceServerClient(f"127.0.0.1:{gateway.gateway.server.port}") as client:
        await client.infer(TEXT_MODEL, text_inputs("a"), headers=dict(headers))


async def over_oip_s_stream(gateway: RunningGateway, headers: Mapping[str, str]) -> None:
    async def requests() -> Any:
        yield {"model_name": TEXT_MODEL, "inputs": text_inputs("a")}

    async with triton.InferenceServerClient(f"127.0.0.1:{gateway.gateway.server.port}") as client:
        async for _, error in client.stream_infer(requests(), headers=dict(headers)):
            assert error is None


async def over_oip_s_http(gateway: RunningGateway, headers: Mapping[str, str]) -> None:
    async with httpx.AsyncClient(base_url=gateway.web_address, timeout=60) as client:
        assert (await client.post(f"/v2/models/{TEXT_MODEL}/infer", json=INFER, headers=headers)).status_code == 200


async def over_openai(gateway: RunningGateway, headers: Mapping[str, str]) -> None:
    body = {"model": TEXT_MODEL, "prompt": "a"}
    async with httpx.AsyncClient(base_url=gateway.web_address, timeout=60) as client:
        assert (await client.post("/v1/completions", json=body, headers=headers)).status_code == 200


WAYS = {
    "http": over_http,
    "oip": over_oip,
    "oip stream": over_oip_s_stream,
    "oip http": over_oip_s_http,
    "openai": over_openai,
}


@pytest.mark.parametrize("way", WAYS)
async def test_the_callers_span_is_the_parent(traced: RunningGateway, collector: Collector, way: str) -> None:
    await WAYS[way](traced, HEADERS)
    [span] = await collector.requests(1)
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, SPAN, "vendor=1")
    assert attributes(span)["tandem.transport"] == way.partition(" ")[0]


@pytest.mark.parametrize("way", WAYS)
async def test_without_a_parent_the_request_is_the_first_span(
    traced: RunningGateway, collector: Collector, way: str
) -> None:
    await WAYS[way](traced, {})
    await WAYS[way](traced, {"traceparent": "nonsense", "tracestate": "a=b"})
    spans = await collector.requests(2)
    assert [span.parent_span_id for span in spans] == [b"", b""]
    assert spans[0].trace_id != spans[1].trace_id
