"""The life of a request is the same by whatever protocol it comes: who may, how often, for how long, and until when."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.access.api_keys import find, load_api_keys
from runtime.rpc.routes import SEQUENTIAL
from tests.integration.gateway.callers import SECRET, keys_file
from tests.integration.gateway.fakes import HOLD, FakeBackend, sequential
from tests.integration.gateway.running import RunningGateway, running_gateway
from tests.integration.gateway.ways import WAYS, Ended
from tests.waiting import until

ALICE = {"authorization": f"Bearer {SECRET}"}


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


@pytest.mark.parametrize("is_said", [True, False])
async def test_what_belongs_together_goes_to_one_replica(ar: FakeBackend, way: str, is_said: bool) -> None:
    async with sequential() as other, running_gateway([ar, other]) as gateway:
        await gateway.until_replicas_serve(SEQUENTIAL, 2)
        for session in range(6):
            before = ar.servicer.num_calls
            for number in range(3):
                prompt = f"prompt {number}" if is_said else f"prompt of {session}"
                headers = {"tandem-affinity": f"{session}"} if is_said else {}
                assert await WAYS[way](gateway, prompt, headers) == Ended(200)
            assert ar.servicer.num_calls - before in (0, 3)
        assert ar.servicer.num_calls + other.servicer.num_calls == 18


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
    await until(ar.servicer.all_closed.is_set)
    assert 0 < ar.servicer.seconds_left[0] < 2.1  # the wire rounds a timeout up to whole milliseconds or more
    await until(lambda: counted(gateway, way, "DEADLINE_EXCEEDED") == 1)


async def test_a_client_that_leaves_ends_the_work(gateway: RunningGateway, ar: FakeBackend, way: str) -> None:
    call = asyncio.ensure_future(WAYS[way](gateway, HOLD, {}))
    await ar.servicer.started.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await until(ar.servicer.all_closed.is_set)
    await until(lambda: counted(gateway, way, "CANCELLED") == 1)
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
