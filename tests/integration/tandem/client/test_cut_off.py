"""A backend that is killed in the middle of its replies: what its callers are told, whatever they called with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tandem.client import AsyncTandemClient, TandemClient, Unavailable
from tests.integration.gateway.fakes import GENERATE
from tests.integration.gateway.running import RunningGateway, running_gateway
from tests.integration.tandem.measure.generator.servers import Server, serving

MANY_TOKENS, MANY_IMAGES = 5_000_000, 50_000
# Which of the two is said depends on whether the stream alone was reset, or the connection with it.
CUT_OFF = {
    "UNAVAILABLE: the reply was cut off before its end, as when the backend goes away",
    "UNAVAILABLE: the connection was closed before the reply was complete",
}
Began = Callable[[], object]


def open_streams(client: TandemClient | AsyncTandemClient) -> list[Any]:
    images = client.sample_stream(MANY_IMAGES, images_per_message=1)
    return [client.generate("x", max_tokens=MANY_TOKENS), images]


def read(address: str, place: int, began: Began) -> None:
    with TandemClient(address) as client:
        for _ in open_streams(client)[place]:
            began()


async def read_async(address: str, place: int, began: Began) -> None:
    async with AsyncTandemClient(address) as client:
        async for _ in open_streams(client)[place]:
            began()


@pytest.fixture
async def whole() -> AsyncIterator[tuple[RunningGateway, Server]]:
    """A gateway, and the one process behind it."""
    with serving("tests.integration.fake_backend") as behind:
        async with running_gateway(ar_targets=[behind.address], gan_targets=[behind.address]) as running:
            await running.until(serving=True)
            yield running, behind


async def test_both_clients_find_the_backend_unavailable(whole: tuple[RunningGateway, Server]) -> None:
    running, behind = whole
    address, loop = f"127.0.0.1:{running.gateway.server.port}", asyncio.get_running_loop()
    begun = [asyncio.Event() for _ in range(4)]
    began: list[Began] = [lambda event=event: loop.call_soon_threadsafe(event.set) for event in begun]  # type: ignore[misc]
    calls = [asyncio.create_task(asyncio.to_thread(read, address, place, began[place])) for place in range(2)]
    calls += [asyncio.create_task(read_async(address, place, began[2 + place])) for place in range(2)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(event.wait() for event in begun))
        behind.process.kill()
        errors = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in errors] == [Unavailable] * 4
    assert {str(error) for error in errors} <= CUT_OFF


async def test_over_http_the_last_line_says_so(whole: tuple[RunningGateway, Server]) -> None:
    running, behind = whole
    message = {"text": "x", "sampling": {"max_tokens": MANY_TOKENS}}
    async with (
        httpx.AsyncClient(base_url=running.web_address, timeout=20) as http,
        http.stream("POST", GENERATE, json=message) as response,
    ):
        lines = response.aiter_lines()
        assert "result" in json.loads(await anext(lines))
        behind.process.kill()
        *_, last = [json.loads(line) async for line in lines]
    assert last["error"]["status"] == "UNAVAILABLE"
    assert last["error"]["message"] == "the backend went away during the request"
