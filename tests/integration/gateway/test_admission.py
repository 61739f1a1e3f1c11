"""The life of a request is the same by whatever protocol it comes: who may, how often, for how long, and until when."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import pytest

from gateway.access.api_keys import find, load_api_keys
from tandem.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse
from tests.integration.gateway.callers import SECRET, keys_file
from tests.integration.gateway.fakes import HOLD, TEXT_MODEL, FakeBackend
from tests.integration.gateway.protocols.oip.inputs import COMPLETE, INFER, STREAM_INFER
from tests.integration.gateway.running import RunningGateway, running_gateway

ALICE = {"authorization": f"Bearer {SECRET}"}
STATUS = {"UNAUTHENTICATED": 401, "RESOURCE_EXHAUSTED": 429, "CANCELLED": 499, "UNAVAILABLE": 503}
STATUS |= {"DEADLINE_EXCEEDED": 504}


class Ended(NamedTuple):
    """How a request ended, as HTTP says it, with the error's words."""

    status: int
    words: str = ""


async def over_http(gateway: RunningGateway, prompt: str, headers: Mapping[str, str]) -> Ended:
    return await posted(gateway, COMPLETE, {"generate": {"text": prompt}}, headers)


async def over_openai(gateway: RunningGateway, prompt: str, headers: Mapping[str, str]) -> Ended:
    return await posted(gateway, "/v1/completions", {"prompt": prompt}, headers)


async def over_oip_s_http(gateway: RunningGateway, prompt: str, headers: Mapping[str, str]) -> Ended:
    tensor = {"name": "text_input", "datatype": "BYTES", "shape": [1], "data": [prompt]}
    return await posted(gateway, f"/v2/models/{TEXT_MODEL}/infer", {"inputs": [tensor]}, headers)


async def posted(gateway: RunningGateway, path: str, body: Any, headers: Mapping[str, str]) -> Ended:
    async with httpx.AsyncClient(base_url=gateway.web_address, timeout=60) as client:
        response = await client.post(path, json=body, headers=dict(headers))
    if response.status_code == 200:
        return Ended(200)
    error = response.json()["error"]
    words = error["message"] if isinstance(error, dict) else error.partition("] ")[2]
    return Ended(response.status_code, words)


async def over_oip(gateway: RunningGateway, prompt: str, headers: Mapping[str, str]) -> Ended:
    try:
        reply = await gateway.unary(INFER, inference(prompt), **options_of(headers))
    except grpc.aio.AioRpcError as error:
        return Ended(STATUS[error.code().name], error.details() or "")
    assert ModelInferResponse.FromString(reply).outputs
    return Ended(200)


async def over_oip_s_stream(gateway: RunningGateway, prompt: str, headers: Mapping[str, str]) -> Ended:
    call = gateway.channel.stream_stream(STREAM_INFER)(iter([inference(prompt)]), **options_of(headers))
    try:
        reply = ModelStreamInferResponse.FromString(await anext(aiter(call)))
    except grpc.aio.AioRpcError as error:
        return Ended(STATUS[error.code().name], error.details() or "")
    code, _, words = reply.error_message.removeprefix("[").partition("] ")
    return Ended(STATUS[code], words) if code else Ended(200)


def inference(prompt: str) -> bytes:
    request = ModelInferRequest(model_name=TEXT_MODEL)
    request.inputs.add(name="text_input", datatype="BYTES", shape=[1]).contents.bytes_contents.append(prompt.encode())
    return request.SerializeToString()


def options_of(headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of a gRPC call, which has its own for a timeout."""
    metadata = tuple((name, value) for name, value in headers.items() if name != "grpc-timeout")
    seconds = headers.get("grpc-timeout", "").rstrip("S")
    return {"metadata": metadata, "timeout": float(seconds) if seconds else None}


Way = Callable[[RunningGateway, str, Mapping[str, str]], Awaitable[Ended]]
WAYS: dict[str, Way] = {
    "http": over_http,
    "openai": over_openai,
    "oip http": over_oip_s_http,
    "oip": over_oip,
    "oip stream": over_oip_s_stream,
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@contextlib.asynccontextmanager
async def keyed(ar: FakeBackend, folder: Path, **budgets: int) -> AsyncIterator[RunningGateway]:
    """Run a gateway that asks for keys, on a clock of budgets that stands still."""
    async with running_gateway([ar], clock=lambda: 0.0, api_keys_file=keys_file(folder, **budgets)) as gateway:
        await gateway.until(serving=True)
        yield gateway


def counted(gateway: RunningGateway, way: str, code: str) -> float:
    assert gateway.value("tandem_requests_total") == gateway.value(
        "tandem_requests_total", transport=way.partition(" ")[0]
    )
    return gateway.value("tandem_requests_total", code=code)


async def test_a_key_is_needed_and_a_request_costs_one(ar: FakeBackend, tmp_path: Path, way: str) -> None:
    async with keyed(ar, tmp_path, requests=1) as gateway:
        for headers in ({}, {"authorization": "Bearer wrong"}):
            ended = await WAYS[way](gateway, "a", headers)
            assert (ended.status, ended.words.partition(",")[0]) == (401, "an API key is needed")
        assert ar.servicer.num_calls == 0
        assert (await WAYS[way](gateway, "a", ALICE)).status == 200
        over = Ended(429, "the API key's budget of 1 requests a minute is used up; retry in 60 s")
        assert await WAYS[way](gateway, "a", ALICE) == over
        assert ar.servicer.num_calls == 1
        await gateway.until_idle()
        assert counted(gateway, way, "OK") == counted(gateway, way, "RESOURCE_EXHAUSTED") == 1
        assert gateway.value("tandem_requests_over_budget_total", budget="request") == 1
        for name in ("shed", "without_output"):
            assert gateway.value(f"tandem_requests_{name}_total") == 0


async def test_the_backend_learns_whose_call_it_is_whatever_the_client_says(
    ar: FakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    callers, complete = [], ar.servicer.complete
    generate = ar.servicer.generate

    async def note_complete(request: Any, call: Any) -> Any:
        callers.append((call.caller, call.owner))
        return await complete(request, call)

    async def note_generate(request: Any, call: Any) -> Any:
        callers.append((call.caller, call.owner))
        async for message in generate(request, call):
            yield message

    monkeypatch.setattr(ar.servicer, "complete", note_complete)
    monkeypatch.setattr(ar.servicer, "generate", note_generate)
    await ar.stop()
    await ar.start()
    forged = {"tandem-caller": "somebody", "tandem-peer": "10.0.0.1:1", "tandem-transport": "grpc"}
    async with keyed(ar, tmp_path) as gateway:
        assert (await WAYS[way](gateway, "a", ALICE | forged)).status == 200
        await gateway.until_idle()
        assert counted(gateway, way, "OK") == 1
    key = find(load_api_keys(tmp_path / "keys.toml"), SECRET)
    assert key is not None
    assert callers[0] == (key.caller_id(), key.caller_id())
    callers.clear()
    async with running_gateway([ar]) as gateway:
        assert (await WAYS[way](gateway, "a", forged)).status == 200
    caller, owner = callers[0]
    assert (caller, owner) == ("", "127.0.0.1")
    assert owner.connection.startswith("127.0.0.1:")


async def test_a_deadline_is_passed_on_and_ends_the_work(gateway: RunningGateway, ar: FakeBackend, way: str) -> None:
    ended = await WAYS[way](gateway, HOLD, {"grpc-timeout": "2S"})
    assert ended.status == 504
    async with asyncio.timeout(60):
        await ar.servicer.all_closed.wait()
    assert 0 < ar.servicer.seconds_left[0] < 2.1  # the wire rounds a timeout up to whole milliseconds or more
    await gateway.until_idle()
    assert counted(gateway, way, "DEADLINE_EXCEEDED") == 1


async def test_a_client_that_leaves_ends_the_work(gateway: RunningGateway, ar: FakeBackend, way: str) -> None:
    call = asyncio.ensure_future(WAYS[way](gateway, HOLD, {}))
    await ar.servicer.started.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    async with asyncio.timeout(60):
        await ar.servicer.all_closed.wait()
    await gateway.until_idle()
    assert counted(gateway, way, "CANCELLED") == 1
    assert gateway.value("tandem_requests_without_output_total", code="CANCELLED") == 1


async def test_a_stop_refuses_new_requests_and_lets_open_ones_finish(
    gateway: RunningGateway, ar: FakeBackend, way: str
) -> None:
    hold = asyncio.Event()
    ar.servicer.before_message = lambda index: hold.wait()
    call = asyncio.ensure_future(WAYS[way](gateway, "a", {}))
    await ar.servicer.started.wait()
    stopping = asyncio.create_task(gateway.stop(20))
    while gateway.gateway.server.health.serving:
        await asyncio.sleep(0)
    assert await WAYS[way](gateway, "b", {}) == Ended(503, "the gateway is stopping")
    hold.set()
    assert (await call).status == 200
    await stopping
    assert counted(gateway, way, "OK") == 1
    assert ar.servicer.num_calls == 1
