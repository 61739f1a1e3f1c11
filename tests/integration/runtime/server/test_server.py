"""The server that every process is made of, over real gRPC: statuses, details, hostile callers, health, ports."""

import asyncio
import socket
from contextlib import asynccontextmanager

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runtime.server.server import PortInUse, RpcServer
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tandem.shared import errors
from tests.integration.runtime import gan_service
from tests.integration.runtime.gan_service import DESCRIPTOR, SAMPLE, GanServicer, Observer
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("each_transport")


class Servicer(GanServicer):
    """Does what the model's name says."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def sample(self, request, call):
        kinds = {
            "bad": lambda: errors.InvalidArgument("count", 0, "1 to 9"),
            "full": lambda: errors.ResourceExhausted("queue", 3, 0.5),
            "fault": lambda: KeyError("a secret"),
        }
        if request.model in kinds:
            raise kinds[request.model]()
        if request.model == "slow":
            self.entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.set()
        return gan_pb2.SampleResponse(seed=7)


class EndOfTest(Exception):
    """Ends a loop that has no end of its own."""


@asynccontextmanager
async def running():
    servicer, observer = Servicer(), Observer()
    async with gan_service.running(servicer, observer) as (server, channel):
        yield server, channel, servicer, observer


async def failure(call) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def details(error: grpc.aio.AioRpcError, kind):
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    unpacked = kind()
    assert status.details[0].Unpack(unpacked)
    return unpacked


async def test_errors_travel_with_their_details():
    async with running() as (_, channel, _, observer):
        stub = gan_pb2_grpc.GanServiceStub(channel)
        bad, full, fault = [
            await failure(stub.Sample(gan_pb2.SampleRequest(model=model))) for model in ("bad", "full", "fault")
        ]
    assert details(bad, error_details_pb2.BadRequest).field_violations[0].field == "count"
    assert details(full, error_details_pb2.RetryInfo).retry_delay.ToTimedelta().total_seconds() == 0.5
    assert fault.details() == "internal error; the server's log has the details"
    assert observer.codes == ["INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "INTERNAL"]


async def test_a_call_without_a_message_and_a_malformed_one_are_invalid():
    async with running() as (_, channel, _, _):
        nothing = await failure(channel.stream_unary(SAMPLE)(iter(())))
        malformed = await failure(channel.unary_unary(SAMPLE)(b"\xff\xff\xff"))
    assert nothing.code() is malformed.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "exactly one message" in nothing.details()
    assert "tandem.gan.v1.SampleRequest" in malformed.details()


async def test_too_large_a_message_is_refused():
    async with running() as (_, channel, _, observer):
        error = await failure(channel.unary_unary(SAMPLE)(b"\x0a" * (5 << 20)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert observer.codes == ["RESOURCE_EXHAUSTED"]


async def test_calls_that_never_send_their_message_end_and_hold_nobody_up(monkeypatch):
    monkeypatch.setattr("runtime.rpc.message.MESSAGE_TIMEOUT_SECONDS", 1.0)
    async with running() as (_, channel, _, observer):
        silent = [channel.stream_unary(SAMPLE)() for _ in range(50)]
        assert (await gan_pb2_grpc.GanServiceStub(channel).Sample(gan_pb2.SampleRequest())).seed == 7
        codes = {(await failure(call)).code() for call in silent}
    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert len(observer.codes) == 51


@pytest.mark.parametrize(("timeout", "code"), [(1.0, "DEADLINE_EXCEEDED"), (None, "CANCELLED")])
async def test_a_deadline_or_a_cancel_stops_the_work(timeout, code):
    async with running() as (_, channel, servicer, observer):
        call = gan_pb2_grpc.GanServiceStub(channel).Sample(gan_pb2.SampleRequest(model="slow"), timeout=timeout)
        await servicer.entered.wait()
        if timeout is None:
            call.cancel()
        with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
            await call
        await until(servicer.cancelled.is_set)
        await until(lambda: observer.codes)
    assert observer.codes == [code]


async def test_watchers_are_told_of_the_stop_and_do_not_hold_it_up():
    async with running() as (server, channel, _, _), asyncio.timeout(60):
        stub = health_pb2_grpc.HealthStub(channel)
        names = ("", DESCRIPTOR.full_name, "other")
        watches = [aiter(stub.Watch(health_pb2.HealthCheckRequest(service=name))) for name in names]
        first = [(await anext(watch)).status for watch in watches]
        await server.health.set_serving(True)
        second = [(await anext(watch)).status for watch in watches[:2]]
        listed = (await stub.List(health_pb2.HealthListRequest())).statuses
        await server.stop(drain_seconds=3600)
        rest = [[reply.status async for reply in watch] for watch in watches]
    response = health_pb2.HealthCheckResponse
    assert first == [response.NOT_SERVING, response.NOT_SERVING, response.SERVICE_UNKNOWN]
    assert second == [response.SERVING] * 2
    assert {name: each.status for name, each in listed.items()} == dict.fromkeys(names[:2], response.SERVING)
    assert rest == [[response.NOT_SERVING], [response.NOT_SERVING], []]


async def test_stalled_work_is_told_and_so_is_its_end(monkeypatch):
    monkeypatch.setattr("runtime.server.health.CHECK_EVERY_SECONDS", 0.0)
    async with running() as (server, _, _, _):
        await server.health.set_serving(True)
        moments = iter([0.0, 0.0, None])  # stalled since long ago, then idle
        seen = []

        def last_progress():
            seen.append(server.health.serving)
            if len(seen) == 4:
                raise EndOfTest
            return next(moments)

        with pytest.raises(EndOfTest):
            await asyncio.wait_for(server.health.watch_progress(last_progress, 30.0), 60)
    assert seen == [True, False, False, True]


async def test_a_port_in_use_is_told():
    async with running() as (server, _, _, _):
        second = RpcServer("127.0.0.1", server.port, [], [])
        with pytest.raises(PortInUse, match=f"127.0.0.1:{server.port}: the port is in use"):
            await second.start()
        await second.stop(0)


async def test_it_listens_at_an_address_of_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6: {error}")
    server = RpcServer("::1", 0, [], [])
    await server.start()
    try:
        await server.health.set_serving(True)
        async with grpc.aio.insecure_channel(f"[::1]:{server.port}") as channel:
            response = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
        assert response.status == health_pb2.HealthCheckResponse.SERVING
    finally:
        await server.stop(0)
