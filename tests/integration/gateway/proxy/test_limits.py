"""What Envoy keeps from the backends, and how it says so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.figures.log_entry import GATEWAY_FULL, refusal_of, status_of
from tests.faults.attacks.connection import connected
from tests.faults.attacks.grpc_stream import begin, call_headers, framed, reset_rapidly
from tests.integration.gateway.fakes import GENERATE, HOST, SCORE
from tests.integration.gateway.proxy.backend import Backend, Call, never
from tests.integration.gateway.proxy.running import QUICK, Proxy, proxy
from tests.waiting import until


async def test_one_request_too_many_is_told_when_to_come_back(ar: Backend) -> None:
    ar.answer = never
    async with proxy([ar], max_in_flight=2, max_caller_share=1) as running:
        calls = [running.stream(GENERATE) for _ in range(2)]
        await running.until_active(2)
        ended = await running.call(SCORE)
        assert ended.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert ended.details == "the gateway has as many requests in flight as it may"
        status = status_pb2.Status.FromString(ended.trailers["grpc-status-details-bin"])
        retry = error_details_pb2.RetryInfo()
        assert status.details[0].Unpack(retry)
        assert (status.code, status.message, retry.retry_delay.seconds) == (8, ended.details, 1)
        assert (await running.observer.entry()).common_properties.response_flags.upstream_overflow
        for call in calls:
            call.cancel()
        await running.until_active(0)
        assert len(ar.calls) == 2


async def test_a_head_that_is_too_large_ends_itself_and_nothing_beside_it(single: Proxy, ar: Backend) -> None:
    ar.answer = never
    beside = single.stream(GENERATE)
    await single.until_active(1)
    for metadata in ((("a", "b" * 20_000),), tuple((f"name-{n}", "") for n in range(110))):
        assert (await single.call(SCORE, metadata=metadata)).code is not grpc.StatusCode.OK
    assert len(ar.calls) == 1
    assert not beside.done()
    beside.cancel()


async def test_a_head_that_does_not_end_is_cut_off(ar: Backend) -> None:
    quick = {**QUICK, "headers": "0.2s", "request": "600s", "keepalive_interval": "600s"}  # what else would close it
    async with proxy([ar], limits=quick) as running:
        async with connected(running.address) as connection:
            number = connection.open_stream(call_headers(SCORE))
            await connection.flush(40)
            await connection.answer(number)
        told = await answer_of(running.envoy.ports["http"], b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        assert told.startswith(b"HTTP/1.1 408")
        assert not ar.calls


async def answer_of(port: int, sent: bytes) -> bytes:
    """Return all that comes until the other side has closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(60):
        found = await reader.read()
    writer.close()
    return found


async def test_a_request_that_does_not_end_is_cut_off_and_takes_no_place(ar: Backend) -> None:
    quick = {**QUICK, "request": "1s", "keepalive_interval": "600s"}
    async with (
        proxy([ar], limits=quick, max_in_flight=1, max_caller_share=1) as running,
        connected(running.address) as connection,
    ):
        number = connection.open_stream(call_headers(SCORE))
        await connection.send(number, framed(b"a" * 100)[:50], end_stream=False)
        assert (await running.call(SCORE)).code is grpc.StatusCode.OK
        assert (await connection.answer(number)).status_name == "DEADLINE_EXCEEDED"
        assert len(ar.calls) == 1


async def test_a_connection_that_says_nothing_is_closed(ar: Backend) -> None:
    async with proxy([ar], limits={**QUICK, "first_byte": "0.3s"}, probe_port=0) as running:
        for name in ("http", "probes"):
            assert await answer_of(running.envoy.ports[name], b"") == b""


FEW_RESETS = {**QUICK, "reset_burst": 100, "reset_rate": 10}


async def test_who_cancels_often_keeps_what_is_beside(single: Proxy, ar: Backend) -> None:
    async with connected(single.address) as connection:
        assert await reset_rapidly(connection, SCORE, None, 4_000) == 4_000
        assert (await connection.answer(await begin(connection, SCORE, b"a"))).status_name == "OK"
    assert len(ar.calls) == 1


async def test_resets_without_an_end_end_their_connection_and_hurt_nobody_else(ar: Backend) -> None:
    async with proxy([ar], limits=FEW_RESETS) as running:
        async with connected(running.address) as connection:
            with contextlib.suppress(ConnectionError):
                await reset_rapidly(connection, SCORE, None, 3_000)
            assert (await running.call(SCORE)).code is grpc.StatusCode.OK
            await until(connection.closed.is_set)
        await running.until_active(0)
    assert len(ar.calls) == 1


async def test_no_resets_end_the_connection_that_all_callers_over_http_share(ar: Backend) -> None:
    async with proxy([ar], limits=FEW_RESETS) as running, connected(str(running.sockets.internal)) as connection:
        assert await reset_rapidly(connection, SCORE, None, 3_000) == 3_000
        assert (await connection.answer(await begin(connection, SCORE, b"a"))).status_name == "OK"
    assert len(ar.calls) == 1


async def test_a_reader_that_stalls_is_given_up(ar: Backend) -> None:
    """It takes nothing of a long reply: neither the backend's stream nor the proxy's memory is its to keep."""

    async def endless(request: bytes, call: Call) -> AsyncIterator[bytes]:
        while True:
            yield b"a" * 100_000

    ar.answer = endless
    async with proxy([ar], limits={**QUICK, "silence": "0.5s"}) as running:
        async with connected(running.address, window=1000) as connection:
            await begin(connection, GENERATE, b"")
            entry = await running.observer.entry()
            await running.until_active(0)
        assert entry.common_properties.response_flags.stream_idle_timeout
        assert entry.response.response_body_bytes < 20_000_000


async def test_a_finished_reply_that_nobody_takes_is_given_up(ar: Backend) -> None:
    async def large(request: bytes, call: Call) -> AsyncIterator[bytes]:
        yield b"a" * 100_000

    ar.answer = large
    async with (
        proxy([ar], limits={**QUICK, "flush": "0.3s"}) as running,
        connected(running.address, window=1000) as connection,
    ):
        stream = await connection.answer(await begin(connection, SCORE, b""))
        assert stream.error_code is not None


async def test_one_connection_too_many_is_closed(ar: Backend) -> None:
    async with proxy([ar], max_connections=3) as running:
        async with contextlib.AsyncExitStack() as stack:
            crowd = [await stack.enter_async_context(connected(running.address)) for _ in range(4)]
            assert [await each.greeted() for each in crowd] == [True, True, True, False]
            await running.envoy.admin.counters()  # the administration is not among those that are counted
        async with asyncio.timeout(60):  # a place is free when Envoy has seen that its connection is closed
            while (await running.call(SCORE)).code is not grpc.StatusCode.OK:
                await asyncio.sleep(0.01)


async def test_a_peer_that_vanishes_is_noticed(ar: Backend) -> None:
    """It does not answer pings: its streams end, and their work in the backend with them."""
    ar.answer = never
    quick = {**QUICK, "keepalive_interval": "0.3s", "keepalive_timeout": "0.3s"}
    async with proxy([ar], limits=quick) as running, connected(running.address) as connection:
        await begin(connection, GENERATE, b"")
        await running.until_active(1)
        connection.vanish()
        await until(ar.cancelled.is_set)


async def test_connections_end_with_their_age_and_requests_do_not(ar: Backend) -> None:
    """A client is told to connect again; what it has under way goes on, and it notices nothing."""

    async def slow(request: bytes, call: Call) -> AsyncIterator[bytes]:
        for number in range(50):
            await asyncio.sleep(0.02)
            yield b"%d" % number

    ar.answer = slow
    async with proxy([ar], limits={**QUICK, "connection_age": "0.2s"}) as running:
        stream = asyncio.create_task(running.call(GENERATE))
        ports = set[int]()
        async with asyncio.timeout(60):
            while len(ports) < 2:
                assert (await running.call(SCORE)).code is grpc.StatusCode.OK
                peers = [entry.common_properties.downstream_remote_address for entry in running.observer.entries]
                ports = {peer.socket_address.port_value for peer in peers}
        assert len((await stream).replies) == 50


async def test_without_memory_for_more_a_call_is_told_when_to_come_back(ar: Backend) -> None:
    """Envoy calls it UNAVAILABLE, which clients repeat at once."""
    async with proxy([ar], limits={**QUICK, "heap": "1000"}) as running:
        async with asyncio.timeout(60):
            while (ended := await running.call(SCORE)).code is grpc.StatusCode.OK:
                await asyncio.sleep(0.02)
        assert (ended.code, ended.details) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "the gateway is out of memory for further requests",
        )
        assert "grpc-status-details-bin" in ended.trailers
        await until(lambda: any(refusal_of(each, status_of(each)) == GATEWAY_FULL for each in running.observer.entries))
        async with httpx.AsyncClient() as http:
            found = await http.get(f"http://127.0.0.1:{running.envoy.ports['http']}/livez")
        assert (found.status_code, found.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
        assert found.headers["retry-after"] == "1"


async def test_watches_of_health_are_bounded_and_checks_come_through(single: Proxy, ar: Backend) -> None:
    async with proxy([ar], limits={**QUICK, "max_watches": "2"}) as running:
        stub = health_pb2_grpc.HealthStub(running.channel)
        watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
        for each in watches:
            await anext(aiter(each))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await anext(aiter(stub.Watch(health_pb2.HealthCheckRequest())))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await stub.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING


async def test_probes_have_a_port_of_their_own(ar: Backend) -> None:
    """It answers while the public ports have all connections that they may, and serves nothing else."""
    async with (
        proxy([ar], max_connections=1, max_caller_share=1, probe_port=0) as running,
        connected(f"{HOST}:{running.envoy.ports['http']}") as taken,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.envoy.ports['probes']}") as http,
    ):
        assert await taken.greeted()
        assert (await http.get("/livez")).status_code == 503, "nobody serves HTTP behind this Envoy"
        assert (await http.get("/")).status_code == 404
