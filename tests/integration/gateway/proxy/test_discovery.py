"""Replicas behind one name: those that come are met, those that go finish what they have."""

from __future__ import annotations

import asyncio

import grpc

from tests.integration.gateway.fakes import GENERATE, SCORE
from tests.integration.gateway.proxy.backend import Backend, Held, sequential
from tests.integration.gateway.proxy.names import Names, names
from tests.integration.gateway.proxy.running import QUICK, Proxy, ended, proxy
from tests.waiting import until

HERE, THERE = "127.0.0.1", "127.0.0.2"


async def a_twin(of: Backend) -> Backend:
    """Return a replica at another address with the same port, as replicas of one name have."""
    twin = sequential(host=THERE)
    twin.port = of.port
    await twin.start()
    return twin


async def until_known(running: Proxy, *addresses: str) -> None:
    async with asyncio.timeout(60):
        while {each.address.partition(":")[0] for each in await running.envoy.admin.replicas()} != set(addresses):
            await asyncio.sleep(0.01)


async def test_replicas_come_and_go_with_their_name(ar: Backend) -> None:
    async with names() as (known, resolver):
        known.addresses = [HERE]
        async with proxy(ar_targets=[f"ar.test:{ar.port}"], limits={**QUICK, "resolvers": resolver}) as running:
            assert (await running.call(SCORE)).code is grpc.StatusCode.OK
            twin = await a_twin(ar)
            known.addresses = [HERE, THERE]
            await running.until_serving(2)
            assert {each.name for each in await running.envoy.admin.replicas()} == {"ar.test"}
            await one_leaves_with_a_stream_under_way(running, known, ar, twin)
            await twin.stop()


async def one_leaves_with_a_stream_under_way(running: Proxy, known: Names, leaving: Backend, stays: Backend) -> None:
    leaving.answer = held = Held()
    call = await stream_at(running, leaving)
    known.addresses = [THERE]
    await until_known(running, THERE)
    before = len(stays.calls)
    for _ in range(4):
        assert (await running.call(SCORE)).code is grpc.StatusCode.OK
    assert len(stays.calls) == before + 4
    held.may_end.set()
    result = await ended(call)
    assert (result.code, result.replies) == (grpc.StatusCode.OK, [b"last"])


async def stream_at(running: Proxy, wanted: Backend):  # type: ignore[no-untyped-def]
    """Return a stream that `wanted` has begun."""
    while True:
        call = running.stream(GENERATE)
        if await anext(aiter(call)) == b"first":
            return call
        call.cancel()


async def test_a_name_that_nobody_knows_yet_is_found_later(ar: Backend) -> None:
    async with (
        names() as (known, resolver),
        proxy(ar_targets=[f"ar.test:{ar.port}"], limits={**QUICK, "resolvers": resolver}) as running,
    ):
        assert (await running.call(SCORE)).details == "sequential backend is not ready"
        known.addresses = [HERE]
        await running.until_serving(1)
        assert (await running.call(SCORE)).code is grpc.StatusCode.OK


async def test_a_resolver_that_does_not_answer_changes_nothing(ar: Backend) -> None:
    async with names() as (known, resolver):
        known.addresses = [HERE]
        async with proxy(ar_targets=[f"ar.test:{ar.port}"], limits={**QUICK, "resolvers": resolver}) as running:
            known.is_silent, before = True, known.num_asked
            await until(lambda: known.num_asked >= before + 3)
            assert (await running.call(SCORE)).code is grpc.StatusCode.OK
