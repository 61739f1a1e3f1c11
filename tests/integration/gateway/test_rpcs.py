"""The RPCs as JSON over HTTP: the same path as gRPC, with the same limits, deadlines, codes, metrics."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import json_format

from runtime.rpc.call import Call
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import Unavailable
from tests.integration.gateway.fakes import (
    GENERATE,
    PASSING_CODES,
    SAMPLE,
    SAMPLE_STREAM,
    SCORE,
    FakeParallel,
    FakeSequential,
)
from tests.integration.gateway.json_calls import TWO_TOKENS, client_of, error_of, lines
from tests.integration.gateway.running import RunningGateway


@pytest.mark.parametrize("path", [GENERATE, SAMPLE_STREAM])
async def test_a_stream_carries_the_messages_of_grpc(
    gateway: RunningGateway, http: httpx.AsyncClient, path: str
) -> None:
    rpc = path.rpartition("/")[2]
    message = TWO_TOKENS if path == GENERATE else {"sample": {"count": 3}}
    request_class, reply_class = {
        "Generate": (ar_pb2.GenerateRequest, ar_pb2.GenerateResponse),
        "SampleStream": (gan_pb2.SampleStreamRequest, gan_pb2.SampleStreamResponse),
    }[rpc]
    request = json_format.ParseDict(message, request_class()).SerializeToString()
    expected = [reply_class.FromString(raw) async for raw in gateway.stream(path, request)]
    *results, last = await lines(http, path, message)
    assert [json_format.ParseDict(line["result"], reply_class()) for line in results] == expected
    assert last == {"end": {}}
    labels = {"rpc": rpc, "code": "OK", "model": "fake-text" if path == GENERATE else "fake-<gan>"}
    await gateway.until_idle()
    for transport in ("grpc", "http"):
        assert gateway.value("tandem_requests_total", transport=transport, **labels) == 1
        assert gateway.value("gen_ai_server_request_duration_seconds_count", transport=transport, **labels) == 1
        assert gateway.value("tandem_time_to_first_output_seconds_count", transport=transport, rpc=rpc) == 1


async def test_a_unary_call_carries_the_reply_and_no_figures_of_the_gateway_s(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    expected = gan_pb2.SampleResponse.FromString(await gateway.unary(SAMPLE, b"\x10\x05"))
    response = await http.post(SAMPLE, json={"count": 5})
    assert json_format.ParseDict(response.json(), gan_pb2.SampleResponse()) == expected
    assert not [name for name in response.headers if name.startswith("tandem-")]
    await gateway.until_idle()
    assert gateway.value("tandem_outputs_total", paradigm="parallel", unit="image") == 10


async def test_a_token_is_sent_when_it_is_there(
    gateway: RunningGateway, text: FakeSequential, http: httpx.AsyncClient
) -> None:
    hold = asyncio.Event()
    text.before_message = lambda index: hold.wait() if index == 2 else None
    async with http.stream("POST", GENERATE, json=TWO_TOKENS) as response:
        received = response.aiter_lines()
        assert json.loads(await anext(received)) == {"result": {}}
        assert json.loads(await anext(received))["result"]["text_delta"] == "0 "
        hold.set()
        assert [list(json.loads(line)) async for line in received] == [["result"], ["result"], ["end"]]


async def test_a_client_that_leaves_a_stream_ends_the_work(
    gateway: RunningGateway, text: FakeSequential, http: httpx.AsyncClient
) -> None:
    text.before_message = lambda index: asyncio.Event().wait() if index == 2 else None
    async with http.stream("POST", GENERATE, json=TWO_TOKENS) as response:
        received = response.aiter_lines()
        await anext(received)
        assert text.open_calls == 1
        await gateway.poll()
        assert gateway.value("tandem_requests_in_flight", paradigm="sequential") == 1
    async with asyncio.timeout(60):
        await text.all_closed.wait()
    await gateway.until_idle()
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code="CANCELLED", transport="http", rpc="Generate") == 1


async def test_every_code_passes(gateway: RunningGateway, text: FakeSequential, http: httpx.AsyncClient) -> None:
    for code in PASSING_CODES:
        error_class = type("Scripted", (Unavailable,), {"code": code.name})

        async def refuse(error_class: type[Unavailable] = error_class) -> None:
            raise error_class("as the backend says")

        text.before_message = lambda index, refuse=refuse: refuse()  # type: ignore[misc]
        error = error_of(await http.post(GENERATE, json=TWO_TOKENS))
        hidden = code in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
        words = "internal error; the server's log has the details" if hidden else "as the backend says"
        assert (error["status"], error["message"]) == (code.name, words)
    await gateway.until_idle()
    for code in PASSING_CODES:
        assert gateway.value("tandem_requests_total", code=code.name, transport="http") == 1


async def test_a_stream_that_fails_on_its_way_says_so_in_its_last_line(
    gateway: RunningGateway, text: FakeSequential, http: httpx.AsyncClient
) -> None:
    async def fail() -> None:
        raise RuntimeError("secret")

    text.before_message = lambda index: fail() if index == 2 else None
    *results, last = await lines(http, GENERATE, TWO_TOKENS)
    assert len(results) == 2
    assert last["error"]["status"] == "INTERNAL"
    assert "secret" not in str(last)
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code="INTERNAL", transport="http") == 1


async def test_an_rpc_is_posted(http: httpx.AsyncClient) -> None:
    assert (await http.get(GENERATE)).status_code == 405
    assert (await http.post("/tandem.ar.v1.AutoregressiveService/Nothing", json={})).status_code == 404


async def test_a_slow_client_holds_the_backend_back_until_its_deadline(
    gateway: RunningGateway, images: FakeParallel, http: httpx.AsyncClient
) -> None:
    num_parts, produced = 500, 0

    async def large_parts(request: Any, call: Call) -> AsyncIterator[Any]:
        nonlocal produced
        for produced in range(num_parts):  # noqa: B007  the count is read outside
            batch = images_pb2.ImageBatch(shape=[1], data=bytes(1 << 20))
            yield gan_pb2.SampleStreamResponse(part=gan_pb2.SampleResponse(images=batch))

    images.parts = large_parts
    async with http.stream("POST", SAMPLE_STREAM, json={}, headers={"grpc-timeout": "1S"}) as response:
        assert response.status_code == 200
        # Nothing is read: the deadline frees the permit all the same.
        await gateway.until_idle()
        assert 0 < produced < num_parts / 2
        assert gateway.value("tandem_requests_total", code="DEADLINE_EXCEEDED", transport="http") == 1


@pytest.mark.parametrize("timeout", ["99999999H", "99999999S"])
async def test_a_deadline_after_centuries_is_none(http: httpx.AsyncClient, timeout: str) -> None:
    response = await http.post(SCORE, json={"texts": {"texts": ["ab"]}}, headers={"grpc-timeout": timeout})
    assert response.status_code == 200


async def test_a_stop_at_once_cancels_and_tells(gateway: RunningGateway, text: FakeSequential) -> None:
    text.before_message = lambda index: asyncio.Event().wait() if index == 2 else None
    async with client_of(gateway) as http, http.stream("POST", GENERATE, json=TWO_TOKENS) as response:
        received = response.aiter_lines()
        await anext(received)
        await gateway.stop(0)
        *_, last = [json.loads(line) async for line in received]
    assert last["error"]["status"] == "CANCELLED"
    assert gateway.value("tandem_requests_total", code="CANCELLED", transport="http") == 1
