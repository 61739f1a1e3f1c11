"""Calls that end before their reply is complete: out of time, cancelled, or closed with their client."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from tandem import client as tandem
from tandem.client import AsyncTandemClient, TandemClient
from tests.integration.tandem.client.conftest import Caller
from tests.integration.tandem.fakes import FakeGateway


async def test_the_deadline_of_a_stream_holds(call: Caller, gateway: FakeGateway) -> None:
    gateway.sequential.hold.clear()
    with pytest.raises(tandem.DeadlineExceeded, match="not complete within the timeout"):
        await call("generate", "Hi", timeout_seconds=0.5)


CALLS = (("complete", "Hi"), ("generate", "Hi"), ("sample", 1), ("sample_stream", 1), ("list_models",))


@pytest.mark.parametrize("words", CALLS, ids=lambda words: words[0])
async def test_a_limit_without_end_does_not_end_a_call_and_what_is_no_time_is_refused(
    call: Caller, words: tuple[Any, ...]
) -> None:
    for seconds in (math.inf, 1e10, 1e9):
        assert await call(*words, timeout_seconds=seconds)
    for seconds in (math.nan, -1):
        with pytest.raises(ValueError, match=f"^timeout_seconds: {seconds} is not accepted"):
            await call(*words, timeout_seconds=seconds)


@pytest.mark.parametrize("words", CALLS, ids=lambda words: words[0])
async def test_a_client_that_is_closed_says_so(gateway: FakeGateway, words: tuple[Any, ...]) -> None:
    method, *arguments = words
    client = AsyncTandemClient(gateway.address)
    await client.close()

    async def use() -> None:
        result = getattr(client, method)(*arguments)
        await (anext(result) if hasattr(result, "__anext__") else result)

    with pytest.raises(ValueError, match=r"^the client is closed$"):
        await use()
    blocking = TandemClient(gateway.address)
    blocking.close()
    with pytest.raises(ValueError, match=r"^the client is closed$"):
        list(getattr(blocking, method)(*arguments))


@pytest.mark.parametrize("what", [{"prompt": "Hi"}, {"label": "bag"}])
async def test_leaving_an_async_generation_cancels_it(gateway: FakeGateway, what: Any) -> None:
    gateway.sequential.hold.clear()
    async with AsyncTandemClient(gateway.address) as client:
        async with client.generate(**what) as generation:
            assert (await anext(generation)).token_ids == (0,)
        await gateway.sequential.cancelled.wait()
        with pytest.raises(tandem.Cancelled):
            await anext(generation)


async def test_a_generation_that_is_cancelled_while_its_class_is_looked_up_does_not_begin(gateway: FakeGateway) -> None:
    async with AsyncTandemClient(gateway.address) as client:
        generation = client.generate(label="bag")
        generation.cancel()
        with pytest.raises(tandem.Cancelled):
            await anext(generation)


async def test_cancelling_the_task_cancels_the_call(gateway: FakeGateway) -> None:
    gateway.sequential.hold.clear()
    async with AsyncTandemClient(gateway.address) as client:
        task = asyncio.create_task(client.complete("Hi"))
        await gateway.sequential.holding.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gateway.sequential.cancelled.wait()


async def test_closing_the_client_cancels_its_calls_and_not_the_tasks_that_wait_for_them(gateway: FakeGateway) -> None:
    gateway.sequential.hold.clear()
    client = AsyncTandemClient(gateway.address)
    parts = client.sample_stream(100_000, images_per_message=1)
    assert len(await anext(parts)) == 1
    waiting = asyncio.create_task(client.complete("Hi"))
    await gateway.sequential.holding.wait()
    await client.close()
    for rest in (waiting, anext(parts)):
        with pytest.raises(tandem.Cancelled, match="its client closed"):
            await rest


@pytest.mark.parametrize("method", ["complete", "generate"])
async def test_closing_the_client_from_another_thread_cancels_its_calls(gateway: FakeGateway, method: str) -> None:
    gateway.sequential.hold.clear()
    client = TandemClient(gateway.address)
    waiting = asyncio.create_task(asyncio.to_thread(lambda: list(getattr(client, method)("Hi"))))
    await gateway.sequential.holding.wait()
    client.close()
    with pytest.raises(tandem.Cancelled, match="its client closed"):
        await waiting


async def test_leaving_a_generation_cancels_it_and_closing_a_sample_stream_stops_it(gateway: FakeGateway) -> None:
    gateway.sequential.hold.clear()

    def take_one_of_each() -> tuple[str, int]:
        with TandemClient(gateway.address) as client:
            with client.generate("Hi") as generation:
                text = next(generation).text
            parts = client.sample_stream(100_000, images_per_message=1)
            count = len(next(parts))
            parts.close()
            return text, count

    assert await asyncio.to_thread(take_one_of_each) == ("Hello", 1)
    await gateway.sequential.cancelled.wait()
    await gateway.parallel.stream_closed.wait()
