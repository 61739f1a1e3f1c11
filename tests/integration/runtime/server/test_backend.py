"""What a call was served, as a proxy learns it: in the trailers of every call that its handler ends, or afterwards."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
import pytest

from runtime.rpc.call import Call
from runtime.rpc.metadata import connection_of
from runtime.rpc.served import SERVED_METADATA, ServedLedger
from runtime.server.backend import SERVED_SERVICE, served_handler
from tandem.common.v1 import images_pb2, served_pb2, served_pb2_grpc, timings_pb2
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tandem.shared import errors
from tests.integration.runtime import gan_service
from tests.integration.runtime.gan_service import GanServicer, Observer

pytestmark = pytest.mark.usefixtures("each_transport")

TIMINGS = timings_pb2.Timings(queue_seconds=0.125, compute_seconds=0.5, total_seconds=0.75)


def part(num_images: int, **fields: object) -> gan_pb2.SampleResponse:
    return gan_pb2.SampleResponse(images=images_pb2.ImageBatch(shape=[num_images, 2, 2, 1]), **fields)


class Servicer(GanServicer):
    """Does what the model's name says, under the name "tiny"."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.stopped = asyncio.Event()

    def _begin(self, call: Call) -> None:
        self.calls.append(call)
        call.model = "tiny"

    async def sample(self, request: gan_pb2.SampleRequest, call: Call) -> gan_pb2.SampleResponse:
        if request.model == "nobody":
            raise errors.NotFound("nobody", ["tiny"])
        self._begin(call)
        if request.model == "full":
            raise errors.ResourceExhausted("queue", 3, 0.5)
        if request.model == "fault":
            raise KeyError("a secret")
        if request.model == "endless":
            await asyncio.Event().wait()
        return part(request.count, timings=TIMINGS)

    async def sample_stream(
        self, request: gan_pb2.SampleStreamRequest, call: Call
    ) -> AsyncIterator[gan_pb2.SampleStreamResponse]:
        self._begin(call)
        try:
            for size in (3, 2, 1):
                timings = {"timings": TIMINGS} if size == 1 else {}
                yield gan_pb2.SampleStreamResponse(part=part(size, **timings))
                if request.sample.model == "full":
                    raise errors.Unavailable("gone")
                if request.sample.model == "endless":
                    await asyncio.Event().wait()
        finally:
            self.stopped.set()


@dataclass
class Backend:
    channel: grpc.aio.Channel
    stub: gan_pb2_grpc.GanServiceStub
    ledger: served_pb2_grpc.ServedServiceStub
    servicer: Servicer
    observer: Observer

    async def take(self, *request_ids: str) -> dict[str, served_pb2.Served]:
        request = served_pb2.TakeServedRequest(request_ids=request_ids)
        return dict((await self.ledger.TakeServed(request)).served)

    async def take_once_ended(self, request_id: str) -> served_pb2.Served:
        """Ask until the call is there: its handler ends a moment after its client has left."""
        async with asyncio.timeout(60):
            while not (found := await self.take(request_id)):
                await asyncio.sleep(0)
        return found[request_id]


@asynccontextmanager
async def running() -> AsyncIterator[Backend]:
    servicer, observer, ledger = Servicer(), Observer(), ServedLedger()
    serving = gan_service.running(servicer, observer, ledger, [served_handler(ledger)], [SERVED_SERVICE])
    async with serving as (_, channel):
        stubs = gan_pb2_grpc.GanServiceStub(channel), served_pb2_grpc.ServedServiceStub(channel)
        yield Backend(channel, *stubs, servicer, observer)


async def served_of(call: grpc.aio.Call) -> served_pb2.Served:
    values = [value for key, value in await call.trailing_metadata() if key == SERVED_METADATA]
    assert len(values) == 1
    return served_pb2.Served.FromString(values[0])


def counts(served: served_pb2.Served) -> tuple[str, int, int]:
    return served.model, served.outputs, served.first_outputs


async def test_a_stream_is_followed_by_the_sum_of_its_messages():
    async with running() as backend:
        call = backend.stub.SampleStream(gan_pb2.SampleStreamRequest())
        assert len([message async for message in call]) == 3
        served = await served_of(call)
    assert counts(served) == ("tiny", 6, 3)
    assert served.timings == TIMINGS


@pytest.mark.parametrize(("model", "served_by"), [("full", "tiny"), ("fault", "tiny"), ("nobody", "")])
async def test_an_error_has_the_trailer_beside_its_details(model, served_by):
    async with running() as backend:
        call = backend.stub.Sample(gan_pb2.SampleRequest(model=model))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        served = await served_of(call)
    assert counts(served) == (served_by, 0, 0)
    assert not served.HasField("timings")
    assert [served.backend_seconds] == backend.observer.seconds
    keys = {key for key, _ in caught.value.trailing_metadata()}
    assert ("grpc-status-details-bin" in keys) == (model == "full")


async def test_a_cancelled_stream_is_told_afterwards_once():
    async with running() as backend:
        request = gan_pb2.SampleStreamRequest(sample=gan_pb2.SampleRequest(model="endless"))
        call = backend.stub.SampleStream(request, metadata=[("x-request-id", "one")])
        await anext(aiter(call))
        assert await backend.take("one") == {}  # it has not ended
        call.cancel()
        served = await backend.take_once_ended("one")
        assert await backend.take("one") == {}
    assert counts(served) == ("tiny", 3, 3)
    assert backend.observer.codes == ["CANCELLED"]
    assert [served.backend_seconds] == backend.observer.seconds


async def test_a_call_that_its_deadline_ends_is_told_afterwards():
    async with running() as backend:
        request = gan_pb2.SampleRequest(model="endless")
        call = backend.stub.Sample(request, timeout=1.0, metadata=[("x-request-id", "late")])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert counts(await backend.take_once_ended("late")) == ("tiny", 0, 0)
    assert backend.observer.codes == ["DEADLINE_EXCEEDED"]


async def test_which_trace_a_call_belongs_to():
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    async with running() as backend:
        for flags in ("01", "00"):
            metadata = (("traceparent", f"00-{trace}-{span}-{flags}"),)
            await backend.stub.Sample(gan_pb2.SampleRequest(), metadata=metadata)
    assert backend.observer.traces == [trace, ""]


@pytest.mark.parametrize("count", [0, 1001])
async def test_how_many_may_be_asked_for(count):
    async with running() as backend:
        with pytest.raises(grpc.aio.AioRpcError, match=f"request_ids: '{count} ids' is not accepted; .* 1 to 1000"):
            await backend.take(*map(str, range(count)))


async def test_whose_turn_a_call_takes():
    async with running() as backend:
        peer = ("tandem-peer", "10.0.0.7:4711")
        for metadata in ([], [peer], [peer, ("tandem-caller", "alice")]):
            await backend.stub.Sample(gan_pb2.SampleRequest(count=1), metadata=metadata)
    found = [(call.caller, call.owner) for call in backend.servicer.calls]
    assert found == [("", "127.0.0.1"), ("", "10.0.0.7"), ("alice", "alice")]
    assert re.fullmatch(r"127\.0\.0\.1:\d+", connection_of(backend.servicer.calls[0].owner))
