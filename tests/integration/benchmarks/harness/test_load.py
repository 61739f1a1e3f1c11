"""The compiled client against a grpc.aio server: what it sends arrives, and what it says of it is so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
import numpy as np
import pytest

from benchmarks.harness import load
from benchmarks.harness.load import Client, closed_loop, open_loop
from benchmarks.harness.processes import free_port
from benchmarks.harness.run import LoadFailed, Target

Handler = Callable[[bytes, Any], Awaitable[bytes]]
SERVICE = "test.Service"


@contextlib.asynccontextmanager
async def serving(unary: Handler | None = None, stream: Any = None) -> AsyncIterator[int]:
    """Serve /test.Service/Unary and /Stream on a free port."""
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    if unary is not None:
        methods["Unary"] = grpc.unary_unary_rpc_method_handler(unary)
    if stream is not None:
        methods["Stream"] = grpc.unary_stream_rpc_method_handler(stream)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


def target(port: int, name: str = "Unary", requests: Sequence[bytes] = (b"one", b"", b"three" * 20_000)) -> Target:
    return Target(port, f"/{SERVICE}/{name}", requests)


async def _echo(request: bytes, context: Any) -> bytes:
    return request


async def test_callers_take_turns_with_the_requests_and_get_their_replies(load_client: Client) -> None:
    async with serving(_echo) as port:
        run = await asyncio.to_thread(
            closed_loop, load_client, target(port), callers=3, seconds=60, most_requests=30, keep_replies=True
        )
    assert run.num_ok == len(run.status) == 30
    assert sorted(run.replies) == sorted([b"one", b"", b"three" * 20_000] * 10)
    assert (run.messages == 1).all()
    assert (run.sent <= run.first_message).all()
    assert (run.first_message <= run.ended).all()


async def test_no_more_requests_are_under_way_than_there_are_callers(load_client: Client) -> None:
    under_way, most = 0, 0

    async def held(request: bytes, context: Any) -> bytes:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.002)
        under_way -= 1
        return request

    async with serving(held) as port:
        await asyncio.to_thread(
            closed_loop,
            load_client,
            target(port, requests=[b""]),
            callers=4,
            seconds=60,
            connections=2,
            most_requests=80,
        )
    assert most == 4


async def test_a_duration_is_at_least_what_the_server_took(load_client: Client) -> None:
    async def slow(request: bytes, context: Any) -> bytes:
        await asyncio.sleep(0.05)
        return request

    async with serving(slow) as port:
        run = await asyncio.to_thread(closed_loop, load_client, target(port), callers=1, seconds=60, most_requests=4)
    assert (run.seconds >= 0.049).all()


async def test_errors_come_with_their_status_and_are_no_success(load_client: Client) -> None:
    async def choosy(request: bytes, context: Any) -> bytes:
        if request == b"bad":
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        return request

    async with serving(choosy) as port:
        run = await asyncio.to_thread(
            closed_loop, load_client, target(port, requests=[b"bad", b"good"]), callers=2, seconds=60, most_requests=20
        )
    assert sorted(run.status) == [0.0] * 10 + [8.0] * 10
    assert len(run.seconds) == 10


async def test_messages_of_a_stream_are_counted_and_the_first_one_timed(load_client: Client) -> None:
    async def counted(request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(0.05)
        for _ in range(4):
            yield b"x" * 30_000

    async with serving(stream=counted) as port:
        run = await asyncio.to_thread(
            closed_loop, load_client, target(port, "Stream"), callers=2, seconds=60, most_requests=6, keep_replies=True
        )
    assert (run.messages == 5).all()
    assert (run.seconds - run.first_seconds >= 0.049).all()
    assert run.replies == (b"first", *[b"x" * 30_000] * 4) * 6


async def test_an_open_loop_keeps_to_its_schedule_whatever_the_server_does(load_client: Client) -> None:
    starts = np.array([0.0, 0.01, 0.01, 0.02, 0.05])

    async def slow(request: bytes, context: Any) -> bytes:
        await asyncio.sleep(0.2)
        return request

    async with serving(slow) as port:
        run = await asyncio.to_thread(open_loop, load_client, target(port), starts, connections=2)
    intended = np.sort(run.intended)
    assert intended - intended[0] == pytest.approx(starts, abs=1e-6)
    assert (run.sent >= run.intended).all()
    assert run.num_ok == 5


async def test_what_never_ends_is_given_up(load_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_DRAIN_SECONDS", 0.2)

    async def silent(request: bytes, context: Any) -> bytes:
        await asyncio.Event().wait()
        return request

    async with serving(silent) as port:
        run = await asyncio.to_thread(closed_loop, load_client, target(port), callers=3, seconds=0.1)
    assert np.isnan(run.ended).all()
    assert list(run.status) == [-1.0] * 3
    assert run.num_ok == 0


async def test_a_port_where_nobody_listens_is_told(load_client: Client) -> None:
    with pytest.raises(LoadFailed, match="cannot connect"):
        await asyncio.to_thread(closed_loop, load_client, target(free_port()), callers=1, seconds=1)
