"""The RPCs as JSON over HTTP: the same path as gRPC, with the same limits, deadlines, codes, metrics."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import json_format

from gateway.http.exchange import MAX_BODY_BYTES
from runtime.errors import InvalidArgument, ResourceExhausted, Unavailable
from runtime.rpc.rpc import Call
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.integration.gateway.fakes import (
    GENERATE,
    HOLD,
    PASSING_CODES,
    SAMPLE,
    SAMPLE_STREAM,
    SCORE,
    FakeBackend,
    FakeParallel,
    FakeSequential,
    RunningGateway,
    running_gateway,
)

TWO_TOKENS = {"text": "a", "sampling": {"max_tokens": 2}}


def client_of(gateway: RunningGateway) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.gateway.http_port}", timeout=20)


@pytest.fixture
async def http(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(gateway) as client:
        yield client


async def lines(http: httpx.AsyncClient, path: str, message: dict[str, Any]) -> list[dict[str, Any]]:
    response = await http.post(path, json=message)
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == response.status_code
    return error


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
    async with asyncio.timeout(5):
        await text.all_closed.wait()
    await gateway.until_idle()
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code="CANCELLED", transport="http", rpc="Generate") == 1


@pytest.mark.parametrize("rpc", ["Complete", "Generate"])
async def test_a_client_that_leaves_before_the_first_word_ends_the_work(
    gateway: RunningGateway, text: FakeSequential, http: httpx.AsyncClient, rpc: str
) -> None:
    message = {"generate": {"text": HOLD}} if rpc == "Complete" else {"text": HOLD}
    call = asyncio.create_task(http.post(GENERATE.replace("Generate", rpc), json=message))
    await text.started.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    async with asyncio.timeout(5):
        await text.all_closed.wait()
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code="CANCELLED", transport="http", rpc=rpc) == 1
    assert gateway.value("tandem_requests_without_output_total", code="CANCELLED", transport="http") == 1


async def test_many_that_leave_leave_nothing(
    gateway: RunningGateway, text: FakeSequential, http: httpx.AsyncClient
) -> None:
    text.before_message = lambda index: asyncio.Event().wait() if index == 20 else None

    async def leave() -> None:
        async with http.stream("POST", GENERATE, json={"text": "a", "sampling": {"max_tokens": 30}}) as response:
            await anext(response.aiter_lines())

    async def finish() -> None:
        assert len(await lines(http, GENERATE, TWO_TOKENS)) == 5

    await asyncio.gather(*(each() for _ in range(20) for each in (leave, finish)))
    async with asyncio.timeout(10):
        await text.all_closed.wait()
    await gateway.until_idle()
    for code in ("OK", "CANCELLED"):
        assert gateway.value("tandem_requests_total", code=code, transport="http") == 20


@pytest.mark.parametrize("code", PASSING_CODES)
async def test_every_code_passes(
    gateway: RunningGateway, text: FakeSequential, http: httpx.AsyncClient, code: grpc.StatusCode
) -> None:
    error_class = type("Scripted", (Unavailable,), {"code": code.name})

    async def refuse() -> None:
        raise error_class("as the backend says")

    text.before_message = lambda index: refuse()
    error = error_of(await http.post(GENERATE, json=TWO_TOKENS))
    hidden = code in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
    assert error["status"] == code.name
    assert error["message"] == ("internal error; the server's log has the details" if hidden else "as the backend says")
    await gateway.until_idle()
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


async def test_a_refusal_names_the_field(text: FakeSequential, http: httpx.AsyncClient) -> None:
    async def refuse() -> None:
        raise InvalidArgument("top_p", 2, "above 0 to 1")

    text.before_message = lambda index: refuse()
    error = error_of(await http.post(GENERATE, json=TWO_TOKENS))
    assert error["message"] == "top_p: 2 is not accepted; accepted: above 0 to 1"
    assert error["details"][0]["fieldViolations"][0]["field"] == "top_p"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "a JSON object, the tandem.ar.v1.GenerateRequest"),
        (b'{"sampling": {"max_tokens": "many"}}', "sampling.max_tokens: 'many' is not accepted"),
        (b'{"prompt": "a"}', "there are: model, text, chat"),
    ],
)
async def test_bad_json_is_explained_and_counted(
    gateway: RunningGateway, text: FakeSequential, http: httpx.AsyncClient, body: bytes, words: str
) -> None:
    response = await http.post(GENERATE, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert words in error_of(response)["message"]
    assert text.num_calls == 0
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code="INVALID_ARGUMENT", model="unknown", transport="http") == 1


async def test_json_that_takes_long_to_read_keeps_nobody_waiting(
    gateway: RunningGateway, text: FakeSequential, http: httpx.AsyncClient
) -> None:
    body = b'{"chat":{"messages":[' + b'{"content":"a"},' * 50_000 + b'{"content":1}]}}'
    hostile = [
        asyncio.create_task(http.post(GENERATE, content=body, headers={"content-type": "application/json"}))
        for _ in range(4)
    ]
    while not any(each.done() for each in hostile):
        assert (await http.post(SAMPLE, json={})).status_code == 200
    # One after the other: when the first is read, the others have yet to be.
    assert (await http.post(SAMPLE, json={})).status_code == 200
    assert not all(each.done() for each in hostile)
    for response in await asyncio.gather(*hostile):
        assert error_of(response)["message"].startswith("chat.messages[50000].content: 1 is not accepted")
    assert text.num_calls == 0


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_only_json_is_taken(text: FakeSequential, http: httpx.AsyncClient, content_type: str) -> None:
    response = await http.post(GENERATE, content=b'{"text":"a"}', headers={"content-type": content_type})
    assert response.status_code == 400
    assert error_of(response)["message"].startswith("content-type: ")
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


async def test_the_deadline_is_passed_on_and_kept(
    gateway: RunningGateway, text: FakeSequential, http: httpx.AsyncClient
) -> None:
    text.before_message = lambda index: asyncio.Event().wait() if index == 0 else None
    response = await http.post(GENERATE, json=TWO_TOKENS, headers={"grpc-timeout": "500m"})
    assert response.status_code == 504
    assert error_of(response)["status"] == "DEADLINE_EXCEEDED"
    assert 0 < text.seconds_left[0] < 0.6
    await text.all_closed.wait()
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code="DEADLINE_EXCEEDED", transport="http") == 1


@pytest.mark.parametrize("value", ["", "1", "S", "-1S", "1.5S", "123456789S", "1 S", "1s"])
async def test_a_bad_deadline_is_refused(http: httpx.AsyncClient, text: FakeSequential, value: str) -> None:
    error = error_of(await http.post(GENERATE, json=TWO_TOKENS, headers={"grpc-timeout": value}))
    assert error["message"].startswith(f"grpc-timeout: {value!r} is not accepted; accepted: 1 to 8 digits and a unit")
    assert text.num_calls == 0


async def test_a_full_backend_says_when_to_come_back(
    gateway: RunningGateway, images: FakeParallel, http: httpx.AsyncClient
) -> None:
    async def refuse() -> None:
        raise ResourceExhausted("queue", 8, 0.25)

    images.before_sample = refuse
    response = await http.post(SAMPLE, json={})
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    assert error_of(response)["details"][0]["retryDelay"] == "0.250s"
    await gateway.until_idle()
    assert gateway.value("tandem_requests_shed_total", paradigm="parallel", reason="backend_full") == 1


async def test_both_transports_share_the_permits(ar: FakeBackend, gan: FakeBackend) -> None:
    hold = asyncio.Event()
    ar.servicer.before_message = lambda index: hold.wait()
    async with running_gateway([ar], [gan], max_in_flight=1) as gateway, client_of(gateway) as http:
        await gateway.until(serving=True)
        first = gateway.stream(GENERATE, ar_pb2.GenerateRequest(text="a").SerializeToString())
        await ar.servicer.started.wait()
        response = await http.post(GENERATE, json=TWO_TOKENS)
        assert response.status_code == 429
        assert error_of(response)["message"] == "the gateway has as many requests in flight as it may"
        assert error_of(response)["details"][0]["retryDelay"] == "1s"
        assert (await http.post(SAMPLE, json={})).status_code == 200
        hold.set()
        assert [message async for message in first]
        assert len(await lines(http, GENERATE, TWO_TOKENS)) == 5


async def test_a_backend_that_is_gone(gateway: RunningGateway, ar: FakeBackend, http: httpx.AsyncClient) -> None:
    await ar.stop()
    await gateway.until(serving=False)
    response = await http.post(GENERATE, json=TWO_TOKENS)
    assert response.status_code == 503
    assert error_of(response)["message"] == "sequential backend is not ready"
    assert (await http.post(SAMPLE, json={})).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"host": "evil.example"}]
)
async def test_another_site_cannot_drive_the_gateway(
    text: FakeSequential, http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await http.post(GENERATE, json=TWO_TOKENS, headers=headers)
    assert response.status_code == 403
    assert error_of(response)["status"] == "PERMISSION_DENIED"
    assert "access-control-allow-origin" not in response.headers
    assert text.num_calls == 0


async def test_no_preflight_is_answered(http: httpx.AsyncClient) -> None:
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    response = await http.request("OPTIONS", GENERATE, headers=headers)
    assert response.status_code == 405
    assert "access-control-allow-origin" not in response.headers


async def test_an_rpc_is_posted(http: httpx.AsyncClient) -> None:
    assert (await http.get(GENERATE)).status_code == 405
    assert (await http.post("/tandem.ar.v1.AutoregressiveService/Nothing", json={})).status_code == 404


async def test_a_large_reply_passes(http: httpx.AsyncClient, images: FakeParallel, monkeypatch: Any) -> None:
    data = bytes(8 << 20)
    batch = images_pb2.ImageBatch(shape=[1], data=data)
    monkeypatch.setattr(images, "_images", lambda *_: gan_pb2.SampleResponse(images=batch))
    reply = (await http.post(SAMPLE, json={})).json()
    assert base64.b64decode(reply["images"]["data"]) == data


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


async def test_score_over_http(http: httpx.AsyncClient) -> None:
    response = await http.post(SCORE, json={"texts": {"texts": ["ab"]}})
    assert response.json()["likelihoods"] == [{"total_logprob": -1.5}]


async def test_a_stop_lets_open_calls_finish(gateway: RunningGateway, text: FakeSequential) -> None:
    hold = asyncio.Event()
    text.before_message = lambda index: hold.wait() if index == 2 else None
    async with client_of(gateway) as http:
        call = asyncio.create_task(lines(http, GENERATE, TWO_TOKENS))
        await text.started.wait()
        stop = asyncio.create_task(gateway.stop(20))
        while gateway.gateway.server.health.serving:
            await asyncio.sleep(0)
        refused = await http.post(SAMPLE, json={})
        assert (refused.status_code, error_of(refused)["message"]) == (503, "the gateway is stopping")
        assert (await http.get("/livez")).status_code == 200
        hold.set()
        assert len(await call) == 5
        await stop
    assert gateway.value("tandem_requests_total", code="OK", transport="http") == 1


async def test_a_stop_at_once_cancels_and_tells(gateway: RunningGateway, text: FakeSequential) -> None:
    text.before_message = lambda index: asyncio.Event().wait() if index == 2 else None
    async with client_of(gateway) as http, http.stream("POST", GENERATE, json=TWO_TOKENS) as response:
        received = response.aiter_lines()
        await anext(received)
        await gateway.stop(0)
        *_, last = [json.loads(line) async for line in received]
    assert last["error"]["status"] == "CANCELLED"
    assert gateway.value("tandem_requests_total", code="CANCELLED", transport="http") == 1
