"""What goes in comes out: bytes, codes, messages, details, deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from runtime.rpc.call import Call
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.integration.gateway.fakes import SAMPLE, SAMPLE_STREAM, FakeParallel
from tests.integration.gateway.running import RunningGateway


async def test_large_reply_passes(gateway: RunningGateway, images: FakeParallel, monkeypatch: Any) -> None:
    data = bytes(8 << 20)
    monkeypatch.setattr(
        images, "_images", lambda *_: gan_pb2.SampleResponse(images=images_pb2.ImageBatch(shape=[1], data=data))
    )
    options = [("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.gateway.server.port}", options=options) as channel:
        reply = gan_pb2.SampleResponse.FromString(await channel.unary_unary(SAMPLE)(b""))
    assert reply.images.data == data


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
