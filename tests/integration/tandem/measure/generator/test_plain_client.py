"""A plain client that shares no code with the generator finds the same, where the server sets the pace."""

import asyncio
import statistics
import time

import grpc
import pytest

from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tandem.measure.scenario import ClosedLoop, Scenario
from tandem.measure.workload_text import parse_workload
from tests.integration.single_runs import run_once

CALLERS, SECONDS, WARM_UP_SECONDS, DELAY_SECONDS = 8, 2.0, 0.5, 0.2


async def by_a_plain_client(address: str) -> tuple[float, float]:
    """Return the requests that ended in the time, a second, and the median seconds of those that began in it."""
    async with grpc.aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        await channel.channel_ready()
        stub = gan_pb2_grpc.GanServiceStub(channel)
        begins_at = time.perf_counter() + WARM_UP_SECONDS
        ends_at = begins_at + SECONDS
        calls = []

        async def caller() -> None:
            while (sent := time.perf_counter()) < ends_at:
                await stub.Sample(gan_pb2.SampleRequest(model="known", count=1, labels=[1], seed=len(calls)))
                calls.append((sent, time.perf_counter()))

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
    num_ended = sum(begins_at <= ended <= ends_at for _, ended in calls)
    return num_ended / SECONDS, statistics.median(ended - sent for sent, ended in calls if sent >= begins_at)


async def test_both_measure_the_same(known_delays) -> None:
    address = known_delays({"fixed": DELAY_SECONDS}).address
    rate, p50 = await by_a_plain_client(address)
    scenario = Scenario(
        workloads=(parse_workload("images"),),
        load=ClosedLoop(concurrency=CALLERS),
        duration_seconds=SECONDS,
        warm_up_seconds=WARM_UP_SECONDS,
    )
    run_result = await run_once(address, scenario)
    (stream,) = run_result.document.streams
    # At the ends of the window a round of all callers is in or out: one in ten.
    assert stream.rates.requests == pytest.approx(rate, rel=0.25)
    assert stream.latency.seconds.p50 == pytest.approx(p50, rel=0.1)
    assert min(stream.latency.seconds.min or 0.0, p50) >= DELAY_SECONDS
