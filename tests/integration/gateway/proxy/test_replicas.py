"""Several replicas: who is asked, who is left alone, what is tried again, and how those that are gone are noticed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import grpc

from tests.integration.gateway.fakes import GENERATE, SCORE
from tests.integration.gateway.proxy.backend import Backend, Call, aborting, backend_process, first_then_never, never
from tests.integration.gateway.proxy.running import QUICK, Proxy, ended, proxy
from tests.waiting import until


def held_by(*backends: Backend) -> list[int]:
    return [len(backend.calls) for backend in backends]


async def test_requests_go_where_least_is_under_way(pair: Proxy, ar: Backend, other: Backend) -> None:
    ar.answer = other.answer = never
    calls = await one_after_the_other(8, pair, ar, other)
    assert held_by(ar, other) == [4, 4]
    for call in calls:
        call.cancel()


async def one_after_the_other(count: int, running: Proxy, *backends: Backend) -> list[Any]:
    """Begin so many calls, of which each pick of a replica sees the ones before."""
    calls = []
    for number in range(1, count + 1):
        calls.append(running.stream(GENERATE))
        await until(lambda number=number: sum(held_by(*backends)) == number)
    return calls


async def test_a_replica_that_is_not_serving_is_left_alone(pair: Proxy, ar: Backend, other: Backend) -> None:
    await ar.set_serving(False)
    await pair.until_serving(1)
    for _ in range(6):
        assert (await pair.call(SCORE)).code is grpc.StatusCode.OK
    assert held_by(ar, other) == [0, 6]
    await ar.set_serving(True)
    await pair.until_serving(2)


async def test_a_replica_that_refuses_is_left_for_another(ar: Backend, other: Backend) -> None:
    """As a replica does that drains: UNAVAILABLE before anything else.

    Where Envoy still has the call before under way at the other, it may take the first one several times.
    """
    ar.answer = aborting(grpc.StatusCode.UNAVAILABLE, "draining")
    attempts: list[int] = []
    async with proxy([ar, other], limits={**QUICK, "retries": "20"}) as running:
        while len(set(attempts)) < 2:  # either replica may be the first that is asked
            assert (await running.call(SCORE)).code is grpc.StatusCode.OK
            entry = await running.observer.entry(len(attempts) + 1)
            attempts.append(entry.common_properties.upstream_request_attempt_count)
    assert held_by(ar, other) == [sum(attempts) - len(attempts), len(attempts)]


async def test_the_one_with_least_under_way_is_gone_and_nobody_has_noticed(ar: Backend, other: Backend) -> None:
    """Each try would go there, for it stays the one with least under way."""
    done = asyncio.Event()

    async def until_done(request: bytes, call: Call) -> AsyncIterator[bytes]:
        await done.wait()
        yield b""

    ar.answer, other.answer = until_done, never
    async with proxy([ar, other], limits={**QUICK, "health_interval": "60s"}) as running:
        calls = await one_after_the_other(6, running, ar, other)
        done.set()
        await running.until_active(3)
        other.answer = until_done
        await ar.stop()
        assert (await running.call(SCORE)).code is grpc.StatusCode.OK
        for call in calls:
            call.cancel()


async def test_other_errors_are_not_tried_again(pair: Proxy, ar: Backend, other: Backend) -> None:
    ar.answer = other.answer = aborting(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
    assert (await pair.call(SCORE)).details == "full"
    assert sum(held_by(ar, other)) == 1


async def test_nothing_is_tried_again_after_the_first_byte(pair: Proxy, ar: Backend, other: Backend) -> None:
    ar.answer = other.answer = first_then_never
    call = pair.stream(GENERATE, b"a")
    replies = aiter(call)
    assert await anext(replies) == b"a"
    [asked] = [backend for backend in (ar, other) if backend.calls]
    await asked.stop()
    assert (await ended(call)).code is not grpc.StatusCode.OK
    assert sum(held_by(ar, other)) == 1
    assert (await pair.observer.entry()).common_properties.upstream_request_attempt_count == 1


async def test_a_frozen_replica_is_given_up_and_its_streams_end() -> None:
    """Neither closes its connection nor answers; only its silence tells."""
    quick = {**QUICK, "keepalive_interval": "0.5s", "keepalive_timeout": "2s"}
    async with backend_process() as (frozen, target), proxy(ar_targets=[target], limits=quick) as running:
        call = running.stream(GENERATE, b"100000")
        await anext(aiter(call))
        frozen.send_signal(signal.SIGSTOP)
        assert (await ended(call)).code is not grpc.StatusCode.OK
        await running.until_serving(0)
        frozen.send_signal(signal.SIGCONT)
        while (await running.call(SCORE, b"1")).code is not grpc.StatusCode.OK:
            await running.until_serving(1)


async def test_what_a_killed_replica_had_and_may_not_be_tried_again_is_told_so() -> None:
    """More further tries than may be under way are no sign that the gateway is full."""
    no_retries = {**QUICK, "retry_min": 0, "retry_budget_percent": 0, "health_interval": "60s"}
    async with backend_process() as (victim, target), proxy(ar_targets=[target], limits=no_retries) as running:
        await running.until_serving(1)
        victim.send_signal(signal.SIGSTOP)
        calls = [running.stream(SCORE, b"1") for _ in range(4)]
        await running.until_active(4)
        victim.kill()
        gone = (grpc.StatusCode.UNAVAILABLE, "sequential backend went away during the request")
        assert {(each.code, each.details) for each in [await ended(call) for call in calls]} == {gone}
        assert (await running.observer.entry()).common_properties.response_flags.upstream_overflow
