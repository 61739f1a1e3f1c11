"""The RPCs as JSON over HTTP: the same path as gRPC, with the same limits, deadlines, codes, metrics."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import json_format

from gateway.http import parsing
from gateway.http.exchange import MAX_BODY_BYTES
from runtime.rpc.call import Call
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tandem.oip.grpc_service_pb2 import ModelInferRequest
from tandem.shared.errors import Unavailable
from tests.integration.gateway.callers import TWO_TOKENS, client_of, error_of, lines
from tests.integration.gateway.fakes import (
    GENERATE,
    PASSING_CODES,
    SAMPLE,
    SAMPLE_STREAM,
    SCORE,
    FakeParallel,
    FakeSequential,
)
from tests.integration.gateway.protocols.oip.inputs import STREAM_INFER
from tests.integration.gateway.proxy.running import client
from tests.integration.gateway.running import RunningGateway
from tests.waiting import until


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


async def test_a_large_reply_passes(gateway: RunningGateway, images: FakeParallel, monkeypatch: Any) -> None:
    reply = gan_pb2.SampleResponse(images=images_pb2.ImageBatch(shape=[1], data=bytes(8 << 20)))
    monkeypatch.setattr(images, "_images", lambda *_: reply)
    async with client(f"127.0.0.1:{gateway.gateway.server.port}") as channel:
        assert await channel.unary_unary(SAMPLE)(b"") == reply.SerializeToString()


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
    await until(text.all_closed.is_set)
    labels = {"code": "CANCELLED", "transport": "http", "rpc": "Generate"}
    await until(lambda: gateway.value("tandem_requests_total", **labels) == 1)


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


async def endless_parts(request: Any, call: Call) -> AsyncIterator[Any]:
    batch = images_pb2.ImageBatch(shape=[1], data=bytes(1 << 20))
    while True:
        yield gan_pb2.SampleStreamResponse(part=gan_pb2.SampleResponse(images=batch))


async def test_a_slow_client_holds_the_backend_back_until_its_deadline(
    gateway: RunningGateway, images: FakeParallel, http: httpx.AsyncClient
) -> None:
    num_produced = 0

    async def counted_parts(request: Any, call: Call) -> AsyncIterator[Any]:
        nonlocal num_produced
        async for part in endless_parts(request, call):
            num_produced += 1
            yield part

    images.parts = counted_parts
    async with http.stream("POST", SAMPLE_STREAM, json={}, headers={"grpc-timeout": "3S"}) as response:
        assert response.status_code == 200
        # Nothing is read: the deadline frees the permit all the same.
        await gateway.until_idle()
        assert 0 < num_produced < 250
        assert gateway.value("tandem_requests_total", code="DEADLINE_EXCEEDED", transport="http") == 1


@pytest.mark.parametrize("cluster", ["parallel", "http", "oip_streams"])
async def test_a_client_that_reads_no_more_does_not_hold_the_stop(
    gateway: RunningGateway, images: FakeParallel, cluster: str
) -> None:
    images.parts = endless_parts
    async with client_of(gateway) as http, contextlib.AsyncExitStack() as unread:
        if cluster == "parallel":
            await gateway.stream(SAMPLE_STREAM, b"").read()
        elif cluster == "http":
            await unread.enter_async_context(http.stream("POST", SAMPLE_STREAM, json={}))
        else:
            call = gateway.channel.stream_stream(STREAM_INFER)()
            for _ in range(6):  # the id comes back in the error
                await call.write(ModelInferRequest(id="a" * 1_000_000).SerializeToString())
        paused = f"^cluster.{cluster}.upstream_flow_control_paused_reading_total$"
        async with asyncio.timeout(60):
            while not (await gateway.gateway.envoy.admin._json(f"/stats?format=json&filter={paused}"))["stats"][0][
                "value"
            ]:
                await asyncio.sleep(0.01)
            await gateway.stop(0)


async def test_a_deadline_after_centuries_is_none(http: httpx.AsyncClient) -> None:
    for timeout in ("99999999H", "99999999S"):
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


async def test_bad_json_is_explained_and_counted(
    gateway: RunningGateway, text: FakeSequential, http: httpx.AsyncClient
) -> None:
    response = await http.post(GENERATE, json={"sampling": {"max_tokens": "many"}})
    assert response.status_code == 400
    assert "sampling.max_tokens: 'many' is not accepted" in error_of(response)["message"]
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        response = await http.post(SCORE, content=b'{"text":"a"}', headers={"content-type": content_type})
        assert response.status_code == 400
        assert error_of(response)["message"].startswith("content-type: ")
    assert text.num_calls == 0
    await gateway.until_idle()
    labels = {"code": "INVALID_ARGUMENT", "model": "unknown", "transport": "http"}
    assert gateway.value("tandem_requests_total", rpc="Generate", **labels) == 1


async def test_json_that_takes_long_to_read_keeps_nobody_waiting(
    text: FakeSequential, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_reading, may_read, read = threading.Event(), threading.Event(), parsing._check_and_read

    def read_later(*arguments: Any) -> Any:
        is_reading.set()
        may_read.wait(60)
        return read(*arguments)

    monkeypatch.setattr(parsing, "_check_and_read", read_later)
    body = b'{"chat":{"messages":[' + b'{"content":"a"},' * 50_000 + b'{"content":1}]}}'
    hostile = asyncio.create_task(http.post(GENERATE, content=body, headers={"content-type": "application/json"}))
    await until(is_reading.is_set)
    assert (await http.post(SAMPLE, json={})).status_code == 200
    assert not hostile.done()
    may_read.set()
    assert error_of(await hostile)["message"].startswith("chat.messages[50000].content: 1 is not accepted")
    assert text.num_calls == 0


@pytest.mark.parametrize("announced", [True, False])
async def test_a_large_body_is_refused(gateway: RunningGateway, http: httpx.AsyncClient, announced: bool) -> None:
    body = b'{"text":"' + bytes(MAX_BODY_BYTES) + b'"}'

    async def in_parts() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    headers = {"content-type": "application/json"}
    response = await http.post(GENERATE, content=body if announced else in_parts(), headers=headers)
    assert response.status_code == 413
    assert str(MAX_BODY_BYTES) in error_of(response)["message"]
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code="RESOURCE_EXHAUSTED", transport="http") == 1


@pytest.mark.parametrize(("path", "body"), [(SAMPLE, {}), ("/v1/completions", {"prompt": "a", "max_tokens": 2})])
async def test_json_may_come_in_gzip(http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    packed = gzip.compress(json.dumps(body).encode())
    for encoding, status in {"gzip": 200, "deflate": 400, "br": 400}.items():
        headers = {"content-type": "application/json", "content-encoding": encoding}
        response = await http.post(path, content=packed, headers=headers)
        assert response.status_code == status
        words = f"content-encoding: '{encoding}' is not accepted; accepted: 'gzip' or 'identity'"
        assert (words in response.text) is (status == 400)


async def test_a_bad_deadline_is_refused(http: httpx.AsyncClient, text: FakeSequential) -> None:
    for value in ("", "1", "S", "-1S", "1.5S", "123456789S", "1 S", "1s"):
        error = error_of(await http.post(GENERATE, json=TWO_TOKENS, headers={"grpc-timeout": value}))
        refusal = f"grpc-timeout: {value!r} is not accepted; accepted: 1 to 8 digits and a unit"
        assert error["message"].startswith(refusal)
    assert text.num_calls == 0


async def test_another_site_cannot_drive_the_gateway(text: FakeSequential, http: httpx.AsyncClient) -> None:
    origins = ({"origin": origin} for origin in ("http://evil.example", "http://127.0.0.1:1", "null", ""))
    sites = ({"sec-fetch-site": site} for site in ("cross-site", "same-site", "none"))
    for headers in (*origins, *sites, {"host": "evil.example"}):
        response = await http.post(GENERATE, json=TWO_TOKENS, headers=headers)
        assert response.status_code == 403, headers
        assert error_of(response)["status"] == "PERMISSION_DENIED"
        assert "access-control-allow-origin" not in response.headers
    assert text.num_calls == 0
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    response = await http.request("OPTIONS", GENERATE, headers=headers)
    assert response.status_code == 405
    assert "access-control-allow-origin" not in response.headers
