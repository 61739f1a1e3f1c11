"""Replicas that come and go: a third one under load, and the only one, after the gateway."""

import asyncio
import contextlib
import time

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.containers.deployment import WEB, Container, Deployment
from tests.containers.load import IMAGE, Load, shown
from tests.containers.replicas import served_by, until_serving
from tests.faults.clients import SAMPLE

RATE = 100.0
RECONNECT_FAST = (("grpc.initial_reconnect_backoff_ms", 20), ("grpc.max_reconnect_backoff_ms", 20))
Figures = list[tuple[str, str]]


async def test_a_third_gets_its_share_and_goes_again(two: list[Container], pairs: Deployment, figures: Figures):
    async with Load() as load, load.steady(IMAGE, RATE):
        await load.more(200)
        begun = time.monotonic()
        await asyncio.to_thread(pairs.up, "gan", gan=3)
        healthy_seconds = time.monotonic() - begun
        three = pairs.containers("gan")
        [new] = [each for each in three if each.id not in {old.id for old in two}]
        share = await until_fair(new, three, begun + 60.0)
        share_seconds = time.monotonic() - begun
        num_before = len(load.ended)
        begun = time.monotonic()
        await asyncio.to_thread(pairs.up, "gan", gan=2)
        gone_seconds = time.monotonic() - begun
        await until_serving("gan", *pairs.containers("gan"))
        await load.more(100)
    assert shown(load.failed(SAMPLE)) == {}
    figures.append(
        (
            "2 -> 3 replicas under 100 requests/s",
            f"0 of {num_before} failed; healthy after {healthy_seconds:.1f} s, has {share:.0%} of the requests after"
            f" {share_seconds:.1f} s",
        )
    )
    figures.append(
        (
            "3 -> 2 replicas under 100 requests/s",
            f"0 of {len(load.ended) - num_before} failed; gone after {gone_seconds:.1f} s",
        )
    )


async def until_fair(new: Container, all_three: list[Container], deadline: float) -> float:
    """Return the share of the new replica over 2 s, once it is a fair one."""
    while True:
        before = {each.id: await asyncio.to_thread(served_by, each) for each in all_three}
        await asyncio.sleep(2.0)
        after = {each.id: await asyncio.to_thread(served_by, each) for each in all_three}
        gained = {identity: after[identity] - before[identity] for identity in after}
        share = gained[new.id] / max(1.0, sum(gained.values()))
        if share >= 0.8 / len(all_three):
            return share
        assert time.monotonic() < deadline, f"only {share:.0%}"


async def test_a_backend_that_is_absent_at_the_start(pairs: Deployment, figures: Figures):
    await asyncio.to_thread(pairs.compose, "rm", "--stop", "--force", "gan")
    await asyncio.to_thread(pairs.compose, "up", "--detach", "--no-deps", "--force-recreate", "gateway")
    async with httpx.AsyncClient(base_url=WEB, timeout=5.0) as web, asyncio.timeout(60.0):
        while not await is_ok(web, "/livez"):
            await asyncio.sleep(0.05)
        assert (await web.get("/readyz")).status_code == 503
        coming = asyncio.create_task(asyncio.to_thread(pairs.up, "gan", gan=1))
        healthy_at = await first_answer(pairs)
        while not await is_ok(web, "/readyz"):
            await asyncio.sleep(0.01)
        seconds = time.monotonic() - healthy_at
        await coming
    figures.append(("backend absent at the start: live, not ready; ready after it has come", f"{seconds:.2f} s"))
    assert seconds <= 2.0


async def first_answer(pairs: Deployment) -> float:
    """Return the instant at which the replica that comes up says for the first time that it serves."""
    while not (found := await asyncio.to_thread(pairs.containers, "gan")):
        await asyncio.sleep(0.05)
    async with grpc.aio.insecure_channel(f"{found[0].address}:50052", options=RECONNECT_FAST) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                reply = await health.Check(health_pb2.HealthCheckRequest())
                if reply.status == health_pb2.HealthCheckResponse.SERVING:
                    return time.monotonic()
            await asyncio.sleep(0.01)


async def is_ok(web: httpx.AsyncClient, path: str) -> bool:
    try:
        return (await web.get(path)).is_success
    except httpx.TransportError:
        return False
