"""What one client can make a server hold or wait for: calls that say nothing, never end, or are compressed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from runtime.rpc.call import Call
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.faults.attacks.connection import connected
from tests.faults.attacks.grpc_stream import begin
from tests.integration.runtime.gan_service import DESCRIPTOR, GanServicer, Observer, running

pytestmark = pytest.mark.usefixtures("each_transport")

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
LIMIT_SECONDS = 60


class Servicer(GanServicer):
    """Notes how many bytes each Sample had."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.num_large = 0

    async def sample(self, request: gan_pb2.SampleRequest, call: Call) -> gan_pb2.SampleResponse:
        self.sizes.append(request.ByteSize())
        return gan_pb2.SampleResponse()

    async def sample_stream(
        self, request: gan_pb2.SampleStreamRequest, call: Call
    ) -> AsyncIterator[gan_pb2.SampleStreamResponse]:
        yield gan_pb2.SampleStreamResponse()
        while request.images_per_message:  # without an end
            data = bytes(100_000)
            yield gan_pb2.SampleStreamResponse(part=gan_pb2.SampleResponse(images=images_pb2.ImageBatch(data=data)))
            self.num_large += 1


@pytest.fixture
async def server():
    async with running(Servicer(), Observer()) as found:
        yield found


async def code_of(call: grpc.aio.Call) -> grpc.StatusCode:
    """Return how the call ends, once all that it brings is read."""
    async with asyncio.timeout(LIMIT_SECONDS):
        with contextlib.suppress(grpc.aio.AioRpcError):
            await read(call)
        return await call.code()


async def read(call: grpc.aio.Call) -> None:
    if isinstance(call, grpc.aio.StreamStreamCall):
        [message async for message in call]
    else:
        await call


async def questions(*services: str) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    for name in services:
        yield reflection_pb2.ServerReflectionRequest(file_containing_symbol=name)


async def test_reflection_answers_as_many_questions_as_are_asked(server):
    stub = reflection_pb2_grpc.ServerReflectionStub(server[1])
    names = (DESCRIPTOR.full_name, f"{DESCRIPTOR.full_name}.Sample", f"{DESCRIPTOR.full_name}.Nothing", "nothing")
    answers = [answer async for answer in stub.ServerReflectionInfo(questions(*names))]
    assert [answer.WhichOneof("message_response") for answer in answers] == [
        "file_descriptor_response",
        "file_descriptor_response",
        "error_response",
        "error_response",
    ]
    assert [answer.original_request.file_containing_symbol for answer in answers] == list(names)
    assert [message async for message in stub.ServerReflectionInfo(questions())] == []
    raw = [message.SerializeToString() async for message in questions(*names)]
    call = server[1].stream_stream(REFLECTION.replace("v1alpha", "v1"))(iter(raw))
    assert [answer async for answer in call] == [answer.SerializeToString() for answer in answers]


async def test_a_malformed_question_is_the_client_s_fault(server):
    call = server[1].stream_stream(REFLECTION)(iter([b"\xff\xff"]))
    assert await code_of(call) is grpc.StatusCode.INVALID_ARGUMENT


async def test_who_asks_nothing_of_reflection_is_let_go(server, monkeypatch):
    monkeypatch.setattr("runtime.rpc.message.MESSAGE_TIMEOUT_SECONDS", 0.1)
    assert await code_of(server[1].stream_stream(REFLECTION)()) is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("method", ["Check", "List", "Watch"])
async def test_a_question_about_health_that_is_never_asked_is_answered(server, method):
    call = server[1].stream_stream(f"/grpc.health.v1.Health/{method}")(iter(()))
    assert await code_of(call) is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_compressed_message_is_refused_before_it_is_inflated():
    servicer, observer = Servicer(), Observer()
    async with running(servicer, observer) as (server, _):
        address, message = f"127.0.0.1:{server.port}", gan_pb2.SampleRequest(model="x" * 1000).SerializeToString()
        async with grpc.aio.insecure_channel(address, compression=grpc.Compression.Gzip) as channel:
            call = channel.unary_unary(f"/{DESCRIPTOR.full_name}/Sample")(message)
            assert await code_of(call) is grpc.StatusCode.UNIMPLEMENTED
    assert servicer.sizes == []
    assert "OK" not in observer.codes


async def endless() -> AsyncIterator[bytes]:
    question = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    while True:
        yield question
        await asyncio.sleep(0.001)


async def test_who_never_stops_asking_holds_up_no_drain(server, monkeypatch):
    monkeypatch.setattr("runtime.server.reflection.MAX_SECONDS", 1.0)
    running_server, channel = server
    call = channel.stream_stream(REFLECTION)(endless())
    await anext(aiter(call))
    await asyncio.wait_for(running_server.stop(drain_seconds=3600), LIMIT_SECONDS)
    assert await code_of(call) is not grpc.StatusCode.OK


async def test_a_drain_waits_neither_for_watchers_nor_for_silent_clients(server, monkeypatch):
    running_server, channel = server
    watches = [health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest()) for _ in range(20)]
    for watch in watches:
        await watch.read()
    monkeypatch.setattr("runtime.rpc.message.MESSAGE_TIMEOUT_SECONDS", 1.0)
    silent = [channel.stream_stream(path)() for path in (REFLECTION, "/grpc.health.v1.Health/Watch") for _ in range(20)]
    # The last call has its answer, so those before it have come.
    await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    await asyncio.wait_for(running_server.stop(drain_seconds=3600), LIMIT_SECONDS)
    assert {await code_of(call) for call in silent} == {grpc.StatusCode.DEADLINE_EXCEEDED}


@pytest.mark.parametrize("who_ends", ["client", "server"])
async def test_a_writer_that_waits_for_a_client_that_does_not_read_is_ended(who_ends):
    servicer, observer = Servicer(), Observer()
    request = gan_pb2.SampleStreamRequest(images_per_message=1).SerializeToString()
    async with running(servicer, observer) as (server, _), asyncio.timeout(LIMIT_SECONDS):
        async with connected(f"127.0.0.1:{server.port}", window=20_000) as connection:
            await begin(connection, f"/{DESCRIPTOR.full_name}/SampleStream", request)
            before = -1
            while servicer.num_large != before:  # until it waits
                before = servicer.num_large
                await asyncio.sleep(0.3)
            if who_ends == "server":
                await server.stop(0.1)
        while not observer.codes:
            await asyncio.sleep(0.01)
    assert observer.codes == ["CANCELLED"]
