"""What goes in comes out: bytes, codes, messages, details, deadlines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from runtime.rpc.call import Call
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.common.v1.served_pb2 import Served
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import ResourceExhausted
from tests.integration.gateway.fakes import (
    GENERATE,
    IMAGE_MODEL,
    SAMPLE,
    SAMPLE_STREAM,
    SCORE,
    TEXT_MODEL,
    FakeParallel,
    FakeSequential,
)
from tests.integration.gateway.running import RunningGateway

TWO_TOKENS = ar_pb2.GenerateRequest(text="a", sampling=ar_pb2.SamplingParams(max_tokens=2)).SerializeToString()
# Field 1000 is in no .proto: a newer client's field must arrive all the same.
UNKNOWN_FIELD = b"\xc2\x3e\x03abc"


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call if hasattr(call, "__await__") else [message async for message in call]
    return caught.value


async def test_unknown_fields_arrive(gateway: RunningGateway, text: FakeSequential) -> None:
    [_ async for _ in gateway.stream(GENERATE, TWO_TOKENS + UNKNOWN_FIELD)]
    assert text.requests[0].SerializeToString().endswith(UNKNOWN_FIELD)


async def test_large_reply_passes(gateway: RunningGateway, images: FakeParallel, monkeypatch: Any) -> None:
    data = bytes(8 << 20)
    monkeypatch.setattr(
        images, "_images", lambda *_: gan_pb2.SampleResponse(images=images_pb2.ImageBatch(shape=[1], data=data))
    )
    options = [("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.gateway.server.port}", options=options) as channel:
        reply = gan_pb2.SampleResponse.FromString(await channel.unary_unary(SAMPLE)(b""))
    assert reply.images.data == data


async def test_full_backend_passes_its_retry_delay_and_is_counted(
    gateway: RunningGateway, images: FakeParallel
) -> None:
    async def refuse() -> None:
        raise ResourceExhausted("queue", 8, 0.25)

    images.before_sample = refuse
    error = await refusal(gateway.unary(SAMPLE, b""))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    retry = error_details_pb2.RetryInfo()
    assert isinstance(status.details[0], any_pb2.Any)
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.nanos == 250_000_000
    await gateway.until_idle()
    assert gateway.value("tandem_requests_shed_total", paradigm="parallel", reason="backend_full") == 1


async def test_fault_of_a_backend_has_a_fixed_text(gateway: RunningGateway, images: FakeParallel) -> None:
    async def fail() -> None:
        raise RuntimeError("secret")

    images.before_sample = fail
    error = await refusal(gateway.unary(SAMPLE, b""))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert error.details() == "internal error; the server's log has the details"


async def test_what_the_backend_served_is_told_to_clients_too(gateway: RunningGateway) -> None:
    stream = gateway.stream(GENERATE, TWO_TOKENS)
    [_ async for _ in stream]
    unary = gateway.unary(SAMPLE, b"\x10\x03")
    await unary
    for call, outputs, model in ((stream, 2, TEXT_MODEL), (unary, 3, IMAGE_MODEL)):
        served = Served.FromString(dict(await call.trailing_metadata())["tandem-served-bin"])
        assert (served.outputs, served.model) == (outputs, model)
        assert served.backend_seconds > 0


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


async def test_slow_client_holds_the_backend_back(gateway: RunningGateway, images: FakeParallel) -> None:
    num_parts, produced = 200, 0

    async def large_parts(request: Any, call: Call) -> AsyncIterator[Any]:
        nonlocal produced
        for produced in range(num_parts):  # noqa: B007  the count is read outside
            batch = images_pb2.ImageBatch(shape=[1], data=bytes(1 << 20))
            yield gan_pb2.SampleStreamResponse(part=gan_pb2.SampleResponse(images=batch))

    images.parts = large_parts
    stream = gateway.stream(SAMPLE_STREAM, b"")
    await stream.read()
    before = -1
    while produced != before:
        before = produced
        # Round trips on the same connections: whatever could move meanwhile has moved.
        for _ in range(50):
            await gateway.unary(SAMPLE, b"")
    assert produced < num_parts / 2
    stream.cancel()
    await gateway.until_idle()
