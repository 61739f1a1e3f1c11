"""A client that leaves: the backend learns it at once, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from runtime.rpc.call import Call
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.integration.gateway.fakes import GENERATE, SAMPLE, SAMPLE_STREAM, FakeParallel, FakeSequential
from tests.integration.gateway.running import RunningGateway

REQUEST = ar_pb2.GenerateRequest(text="a", sampling=ar_pb2.SamplingParams(max_tokens=20)).SerializeToString()


async def test_lost_connection_reaches_the_backend(gateway: RunningGateway, text: FakeSequential) -> None:
    text.before_message = lambda index: asyncio.Event().wait()
    port = gateway.gateway.server.port
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        channel.unary_stream(GENERATE)(REQUEST)
        await text.started.wait()
    async with asyncio.timeout(60):
        await text.all_closed.wait()
    await gateway.until_idle()


async def test_client_that_reads_no_more_does_not_hold_the_stop(gateway: RunningGateway, images: FakeParallel) -> None:
    async def large_parts(request: Any, call: Call) -> AsyncIterator[Any]:
        batch = images_pb2.ImageBatch(shape=[1], data=bytes(1 << 20))
        while True:
            yield gan_pb2.SampleStreamResponse(part=gan_pb2.SampleResponse(images=batch))

    images.parts = large_parts
    stream = gateway.stream(SAMPLE_STREAM, b"")
    await stream.read()
    async with asyncio.timeout(60):
        await gateway.stop(0)


async def test_calls_cancelled_as_they_begin_leave_nothing(gateway: RunningGateway, text: FakeSequential) -> None:
    for _ in range(100):
        gateway.stream(GENERATE, REQUEST).cancel()
        gateway.unary(SAMPLE, b"").cancel()
    assert await gateway.unary(SAMPLE, b"")
    async with asyncio.timeout(60):
        while text.open_calls:
            await text.all_closed.wait()
    await gateway.until_idle()
    codes = ("OK", "CANCELLED")
    assert gateway.value("tandem_requests_total") == sum(
        gateway.value("tandem_requests_total", code=code) for code in codes
    )
