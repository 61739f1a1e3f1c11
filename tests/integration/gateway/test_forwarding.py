"""What goes in comes out: bytes, codes, messages, details, deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from runtime.rpc.call import Call
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.integration.gateway.fakes import GENERATE, SAMPLE, SAMPLE_STREAM, SCORE, FakeParallel, FakeSequential
from tests.integration.gateway.running import RunningGateway


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call if hasattr(call, "__await__") else [message async for message in call]
    return caught.value


async def test_large_reply_passes(gateway: RunningGateway, images: FakeParallel, monkeypatch: Any) -> None:
    data = bytes(8 << 20)
    monkeypatch.setattr(
        images, "_images", lambda *_: gan_pb2.SampleResponse(images=images_pb2.ImageBatch(shape=[1], data=data))
    )
    options = [("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.gateway.server.port}", options=options) as channel:
        reply = gan_pb2.SampleResponse.FromString(await channel.unary_unary(SAMPLE)(b""))
    assert reply.images.data == data


@pytest.mark.parametrize("path", [SCORE, GENERATE])
async def test_call_without_a_message(gateway: RunningGateway, path: str) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        return
        yield

    kind: Any = gateway.channel.stream_unary if path == SCORE else gateway.channel.stream_stream
    error = await refusal(kind(path)(nothing()))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "no message" in error.details()
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code="INVALID_ARGUMENT") == 1


async def test_malformed_message(gateway: RunningGateway, text: FakeSequential) -> None:
    error = await refusal(gateway.stream(GENERATE, b"\xff\xff\xff"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "tandem.ar.v1.GenerateRequest" in error.details()
    assert text.num_calls == 0
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code="INVALID_ARGUMENT", model="unknown") == 1


REQUEST = ar_pb2.GenerateRequest(text="a", sampling=ar_pb2.SamplingParams(max_tokens=20)).SerializeToString()


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
