"""What goes in comes out: bytes, codes, messages, details, deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from runtime.rpc.rpc import Call
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.common.v1.served_pb2 import Served
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import InvalidArgument, ResourceExhausted, Unavailable
from tests.integration.gateway.fakes import (
    GENERATE,
    IMAGE_MODEL,
    PASSING_CODES,
    SAMPLE,
    SAMPLE_STREAM,
    SCORE,
    TEXT_MODEL,
    FakeBackend,
    FakeParallel,
    FakeSequential,
)
from tests.integration.gateway.running import RunningGateway, running_gateway

TWO_TOKENS = ar_pb2.GenerateRequest(text="a", sampling=ar_pb2.SamplingParams(max_tokens=2)).SerializeToString()
# Field 1000 is in no .proto: a newer client's field must arrive all the same.
UNKNOWN_FIELD = b"\xc2\x3e\x03abc"


async def direct(backend: FakeBackend, path: str, request: bytes) -> list[bytes]:
    async with grpc.aio.insecure_channel(backend.target) as channel:
        return [message async for message in channel.unary_stream(path)(request)]


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call if hasattr(call, "__await__") else [message async for message in call]
    return caught.value


@pytest.mark.parametrize("path", [GENERATE, SAMPLE_STREAM])
async def test_stream_is_byte_identical(gateway: RunningGateway, ar: FakeBackend, gan: FakeBackend, path: str) -> None:
    backend, request = (ar, TWO_TOKENS) if path == GENERATE else (gan, b"\x0a\x02\x10\x03")
    through = [message async for message in gateway.stream(path, request)]
    assert through == await direct(backend, path, request)
    assert len(through) >= 3


async def test_unary_is_byte_identical(gateway: RunningGateway, gan: FakeBackend) -> None:
    request = gan_pb2.SampleRequest(count=5).SerializeToString()
    async with grpc.aio.insecure_channel(gan.target) as channel:
        expected = await channel.unary_unary(SAMPLE)(request)
    assert await gateway.unary(SAMPLE, request) == expected


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


async def test_refusal_passes_with_its_details(gateway: RunningGateway, text: FakeSequential) -> None:
    async def refuse() -> None:
        raise InvalidArgument("top_p", 2, "above 0 to 1")

    text.before_message = lambda index: refuse()
    error = await refusal(gateway.stream(GENERATE, TWO_TOKENS))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == "top_p: 2 is not accepted; accepted: above 0 to 1"
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    bad_request = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(bad_request)
    assert bad_request.field_violations[0].field == "top_p"


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


@pytest.mark.parametrize("code", PASSING_CODES)
async def test_every_code_passes(gateway: RunningGateway, text: FakeSequential, code: grpc.StatusCode) -> None:
    error_class = type("Scripted", (Unavailable,), {"code": code.name})

    async def refuse() -> None:
        raise error_class("as the backend says")

    text.before_message = lambda index: refuse()
    error = await refusal(gateway.stream(GENERATE, TWO_TOKENS))
    assert error.code() is code
    assert error.details() == "as the backend says"
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code=code.name) == 1


async def test_what_the_backend_served_is_told_to_clients_too(gateway: RunningGateway) -> None:
    stream = gateway.stream(GENERATE, TWO_TOKENS)
    [_ async for _ in stream]
    unary = gateway.unary(SAMPLE, b"\x10\x03")
    await unary
    for call, outputs, model in ((stream, 2, TEXT_MODEL), (unary, 3, IMAGE_MODEL)):
        served = Served.FromString(dict(await call.trailing_metadata())["tandem-served-bin"])
        assert (served.outputs, served.model) == (outputs, model)
        assert served.backend_seconds > 0


async def test_deadline_is_passed_on_and_kept(gateway: RunningGateway, text: FakeSequential) -> None:
    hold = asyncio.Event()
    text.before_message = lambda index: hold.wait() if index == 2 else None
    error = await refusal(gateway.stream(GENERATE, TWO_TOKENS, timeout=2.0))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # The wire rounds a timeout up to whole milliseconds or more.
    assert 0 < text.seconds_left[0] < 2.1
    await text.all_closed.wait()
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code="DEADLINE_EXCEEDED", rpc="Generate") == 1


async def test_no_deadline_stays_none(gateway: RunningGateway, text: FakeSequential) -> None:
    [_ async for _ in gateway.stream(GENERATE, TWO_TOKENS)]
    assert text.seconds_left == [float("inf")]


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


async def test_message_above_4_mib(gateway: RunningGateway, images: FakeParallel) -> None:
    error = await refusal(gateway.unary(SAMPLE, bytes((4 << 20) + 1)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "4194304" in error.details()
    assert images.num_calls == 0
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code="RESOURCE_EXHAUSTED") == 1


async def test_message_far_above_the_limit(gateway: RunningGateway) -> None:
    error = await refusal(gateway.unary(SAMPLE, bytes(20 << 20)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_unknown_method(gateway: RunningGateway) -> None:
    error = await refusal(gateway.unary("/tandem.gan.v1.GanService/Nothing", b""))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_one_permit_more_is_refused_at_once(ar: FakeBackend, gan: FakeBackend) -> None:
    hold = asyncio.Event()
    ar.servicer.before_message = lambda index: hold.wait()
    async with running_gateway([ar], [gan], max_in_flight=1, max_caller_share=1) as gateway:
        await gateway.until(serving=True)
        first = gateway.stream(GENERATE, TWO_TOKENS)
        await ar.servicer.started.wait()
        error = await refusal(gateway.stream(GENERATE, TWO_TOKENS))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert error.details() == "the gateway has as many requests in flight as it may"
        assert "grpc-status-details-bin" in dict(error.trailing_metadata())
        # The other paradigm has permits of its own.
        assert await gateway.unary(SAMPLE, b"")
        await gateway.poll()
        assert gateway.value("tandem_requests_in_flight", paradigm="sequential") == 1
        hold.set()
        assert len([_ async for _ in first]) == 4
        await gateway.until_idle()
        assert gateway.value("tandem_requests_in_flight", paradigm="sequential") == 0
        assert gateway.value("tandem_requests_shed_total", paradigm="sequential", reason="gateway_full") == 1


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


async def test_score_passes_the_request(gateway: RunningGateway, text: FakeSequential) -> None:
    seen: list[Any] = []

    async def score(request: Any, call: Call) -> Any:
        seen.append(request)
        return ar_pb2.ScoreResponse(likelihoods=[ar_pb2.Likelihood(total_logprob=-3)])

    text.on_score = score
    reply = await gateway.unary(SCORE, ar_pb2.ScoreRequest(texts=ar_pb2.TextContent(texts=["ab"])).SerializeToString())
    assert ar_pb2.ScoreResponse.FromString(reply).likelihoods[0].total_logprob == -3
    assert list(seen[0].texts.texts) == ["ab"]
