"""Cached refusals: what the handler said once is repeated to others like it, and to nobody else."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from runtime.http2.library import open_http2
from runtime.http2.server import Http2Server
from runtime.rpc.call import Call
from runtime.rpc.rpc import service_handler
from runtime.rpc.served import SERVED_METADATA
from tandem.common.v1 import served_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import ResourceExhausted
from tests.compiled import skip_without_compiler
from tests.integration.runtime.gan_service import DESCRIPTOR, SAMPLE, GanServicer
from tests.waiting import until

LIMIT_SECONDS = 60
SHORT_SECONDS = 5
# Python begins that many calls before it looks for more, and as many again before its first refusal is known.
MOST_BEGUN_AT_ONCE = 2 * 64
BURST_SECONDS = 1.0
FULL = grpc.StatusCode.RESOURCE_EXHAUSTED


@dataclass
class Servicer(GanServicer):
    """Holds as many calls as it has places until `gate` opens, and refuses the rest, and all that have little time.

    Notes the owner of each that it was asked about.
    """

    places: int = 0
    asked: list[str] = field(default_factory=list)
    num_held: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def _capacity_left(self) -> int:
        return max(0, self.places - self.num_held)

    async def sample(self, request: gan_pb2.SampleRequest, call: Call) -> gan_pb2.SampleResponse:
        self.asked.append(call.owner)
        call.model = "full"
        capacity_left = self._capacity_left if call.deadline.remaining_seconds() > SHORT_SECONDS else int
        if not capacity_left():
            error = ResourceExhausted("the hall", self.places, 0.25)
            error.capacity_left = capacity_left
            raise error
        self.num_held += 1
        try:
            await self.gate.wait()
        finally:
            self.num_held -= 1
        return gan_pb2.SampleResponse()


class Codes(Counter[str]):
    def finished(self, rpc: str, code: str, seconds: float, trace_id: str) -> None:
        self[code] += 1

    def refused(self, rpc: str, code: str, count: int) -> None:
        assert rpc == "Sample"
        self[code] += count


@dataclass
class Hall:
    """The service, its counts, its server and a client."""

    servicer: Servicer
    codes: Codes
    server: Http2Server
    channel: grpc.aio.Channel
    address: str

    def call(
        self, owner: str = "", timeout: float | None = LIMIT_SECONDS, path: str = SAMPLE, model: str = "full"
    ) -> grpc.aio.Call:
        metadata = (("tandem-peer", owner),) if owner else ()
        message = gan_pb2.SampleRequest(model=model, seed=5).SerializeToString()
        return self.channel.unary_unary(path)(message, timeout=timeout, metadata=metadata)

    async def codes_of(self, calls: list[grpc.aio.Call]) -> list[grpc.StatusCode]:
        return [await call.code() for call in calls]

    async def until_held(self, count: int) -> None:
        await until(lambda: self.servicer.num_held == count)

    async def until_repeated(self, **options: float) -> None:
        """Call until one is refused that the handler was not asked about: a pause of the machine ends a refusal."""
        async with asyncio.timeout(LIMIT_SECONDS):
            before = -1
            while len(self.servicer.asked) != before:
                before = len(self.servicer.asked)
                assert await self.call(**options).code() is FULL


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    with skip_without_compiler():
        server = Http2Server(open_http2())
    servicer, codes = Servicer(), Codes()
    port = await server.start("127.0.0.1", 0, [service_handler(DESCRIPTOR, servicer, codes)])
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Hall(servicer, codes, server, channel, f"127.0.0.1:{port}")
    finally:
        servicer.gate.set()
        await server.stop(0)


async def test_what_was_refused_once_is_refused_again_in_full_without_asking_and_counted(hall):
    first = hall.call()
    assert await first.code() is FULL
    assert "the hall is full (limit 0)" in await first.details()
    again = [hall.call() for _ in range(50)]
    assert set(await hall.codes_of(again)) == {FULL}
    assert {await call.details() for call in again} == {await first.details()}
    trailers = dict(await again[-1].trailing_metadata())
    status, retry = status_pb2.Status.FromString(trailers["grpc-status-details-bin"]), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.ToTimedelta().total_seconds() == 0.25
    served = served_pb2.Served.FromString(trailers[SERVED_METADATA])
    assert (served.model, served.outputs, served.backend_seconds) == ("full", 0, 0.0)
    await until(lambda: hall.codes["RESOURCE_EXHAUSTED"] >= 51)
    assert hall.codes == {"RESOURCE_EXHAUSTED": 51}
    assert len(hall.servicer.asked) < 5  # a pause of the machine ends a refusal, and the next call is asked about


@pytest.mark.parametrize(
    "other", [{"owner": "[::1]:7"}, {"timeout": 2.0 * LIMIT_SECONDS}, {"timeout": None}, {"model": "other"}]
)
async def test_callers_of_another_kind_are_asked_about(hall, other):
    assert await hall.call().code() is FULL
    assert await hall.call(**other).code() is FULL
    assert len(hall.servicer.asked) == 2


async def test_who_has_less_time_is_refused_as_well(hall):
    assert await hall.call().code() is FULL
    await hall.until_repeated(timeout=LIMIT_SECONDS / 2)


async def test_as_many_are_let_in_as_there_is_room_for(hall):
    hall.servicer.places = 2
    held = [hall.call(), hall.call()]
    await hall.until_held(2)
    assert await hall.call().code() is FULL
    await hall.until_repeated()
    hall.servicer.places = 7
    held += await taken(hall, 5)
    held[0].cancel()
    await hall.until_held(6)
    held += await taken(hall, 1)
    hall.servicer.gate.set()
    codes = await hall.codes_of(held)
    assert codes == [grpc.StatusCode.CANCELLED, *[grpc.StatusCode.OK] * 7]


async def test_what_those_with_little_time_are_told_says_nothing_of_those_with_more(hall):
    hall.servicer.places = 1
    held = [hall.call()]
    await hall.until_held(1)
    assert await hall.call().code() is FULL
    hall.servicer.places = 2
    async with asyncio.timeout(LIMIT_SECONDS):
        while len(hall.servicer.asked) == 2:  # until the capacity is known
            assert await hall.call(timeout=SHORT_SECONDS / 2).code() is FULL
    held += await taken(hall, 1)
    hall.servicer.gate.set()
    assert await hall.codes_of(held) == [grpc.StatusCode.OK] * 2


async def test_what_came_before_it_and_was_not_begun_is_refused_with_it(hall):
    hall.servicer.places, num_refused = 3, 0
    held = [hall.call() for _ in range(3)]
    await hall.until_held(3)
    num_asked = 500
    async with asyncio.timeout(LIMIT_SECONDS):
        while num_asked > MOST_BEGUN_AT_ONCE:  # a busy machine may tell the server's thread too late
            await until(lambda: not hall.server._cached_refusals._capacities)
            before = len(hall.servicer.asked)
            calls = await burst(hall, 500)
            await until(lambda calls=calls: all(call.done() for call in calls))
            assert {call.code() for call in calls} == {FULL}
            num_asked, num_refused = len(hall.servicer.asked) - before, num_refused + 500
    hall.servicer.gate.set()
    assert await hall.codes_of(held) == [grpc.StatusCode.OK] * 3
    await until(lambda: hall.codes.total() >= num_refused + 3)
    assert hall.codes == {"OK": 3, "RESOURCE_EXHAUSTED": num_refused}


async def burst(hall: Hall, count: int) -> list[grpc.Future]:
    """Send `count` calls while nothing runs on the event loop, so that the server's thread alone hears of them."""
    message = gan_pb2.SampleRequest(model="full", seed=5).SerializeToString()
    send = grpc.insecure_channel(hall.address).unary_unary(SAMPLE)
    calls: list[grpc.Future] = []

    def send_all() -> None:
        calls.extend(send.future(message, timeout=LIMIT_SECONDS) for _ in range(count))
        time.sleep(BURST_SECONDS)

    sending = threading.Thread(target=send_all)
    sending.start()
    sending.join()
    return calls


async def taken(hall: Hall, count: int) -> list[grpc.aio.Call]:
    """Call until `count` more are held: the capacity is known to the server's thread a moment later."""
    found: list[grpc.aio.Call] = []
    num_before = hall.servicer.num_held
    async with asyncio.timeout(LIMIT_SECONDS):
        while len(found) < count:
            call = hall.call()
            code = asyncio.ensure_future(call.code())
            while not code.done() and hall.servicer.num_held <= num_before + len(found):
                await asyncio.sleep(0.001)
            if code.done():
                assert code.result() is FULL
            else:
                found.append(call)
    return found


async def test_a_refusal_ends_when_nobody_comes_any_more(hall):
    assert await hall.call().code() is FULL
    await until(lambda: not hall.server._cached_refusals._capacities)
    assert await hall.call().code() is FULL
    assert len(hall.servicer.asked) == 2
