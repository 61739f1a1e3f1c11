"""What passes through Envoy unchanged, and what it takes away."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from runtime.limits import MAX_MESSAGE_BYTES
from runtime.rpc.routes import PARALLEL, SEQUENTIAL, all_routes
from tests.integration.gateway.fakes import GENERATE, SAMPLE, SCORE
from tests.integration.gateway.proxy.backend import SERVED, Backend, Call, parallel
from tests.integration.gateway.proxy.running import Proxy, proxy

REQUEST = bytes(range(256)) * 5


async def test_every_method_gets_through_byte_for_byte(ar: Backend) -> None:
    async with parallel() as gan, proxy([ar], [gan]) as running:
        for route in all_routes():
            if route.rpc == "ListModels":  # the gateway's own
                continue
            ended = await running.call(route.path, REQUEST)
            assert ended.code is grpc.StatusCode.OK
            assert set(ended.replies) == {REQUEST}
            assert {SEQUENTIAL: ar, PARALLEL: gan}[route.paradigm].calls[-1].path == route.path
            assert ended.trailers["tandem-served-bin"] == SERVED


@pytest.mark.parametrize("num_replies", [0, 1])
async def test_an_error_keeps_its_words_and_details(single: Proxy, ar: Backend, num_replies: int) -> None:
    status = status_pb2.Status(code=8, message="voll, später")
    status.details.add().Pack(error_details_pb2.RetryInfo())
    details = status.SerializeToString()

    async def refuse(request: bytes, call: Call) -> AsyncIterator[bytes]:
        for _ in range(num_replies):
            yield request
        trailers = (("grpc-status-details-bin", details), ("tandem-served-bin", SERVED), ("more", "words"))
        await call.context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, status.message, trailers)

    ar.answer = refuse
    ended = await single.call(GENERATE, REQUEST)
    assert (ended.code, ended.details) == (grpc.StatusCode.RESOURCE_EXHAUSTED, status.message)
    ended.trailers.pop("date", None)  # Envoy's, where there are no headers before
    assert ended.trailers == {"grpc-status-details-bin": details, "tandem-served-bin": SERVED, "more": "words"}


async def test_a_client_cannot_say_who_it_is_or_how_it_is_treated(single: Proxy, ar: Backend) -> None:
    forged = {
        "tandem-caller": "root",
        "tandem-arrived": "0.000001",
        "tandem-transport": "http",
        "tandem-peer": "10.0.0.1",
        "tandem-traceparent": "somebody-else-s",
        "x-request-id": "mine",
        "x-envoy-max-retries": "100",
        "x-envoy-upstream-rq-timeout-ms": "1",
    }
    await single.call(SCORE, metadata=(*forged.items(), ("traceparent", "00-1-2-03")))
    headers = ar.calls[0].headers
    assert "tandem-caller" not in headers
    assert not [name for name in headers if name.startswith("x-envoy-")]
    assert headers["tandem-transport"] == "grpc"
    assert re.fullmatch(r"127\.0\.0\.1:\d+", headers["tandem-peer"])
    assert (await single.observer.entry()).request.request_id == headers["x-request-id"] != "mine"
    assert headers["traceparent"] == headers["tandem-traceparent"] == "00-1-2-03"
    entry = await single.observer.entry()
    arrived = int(entry.common_properties.metadata.filter_metadata["tandem"].fields["clock"].string_value.split()[0])
    assert headers["tandem-arrived"] == f"{arrived // 10**9}.{arrived % 10**9 // 1000:06d}"
    assert arrived <= entry.common_properties.start_time.ToNanoseconds()


async def test_a_paradigm_without_replicas_says_so(single: Proxy) -> None:
    ended = await single.call(SAMPLE)
    assert (ended.code, ended.details) == (grpc.StatusCode.UNAVAILABLE, "parallel backend is not configured")


async def test_health_is_the_gateways_own_and_is_not_logged(single: Proxy) -> None:
    watch = health_pb2_grpc.HealthStub(single.channel).Watch(health_pb2.HealthCheckRequest())
    assert (await anext(aiter(watch))).status == health_pb2.HealthCheckResponse.SERVING
    assert (await single.envoy.admin.counters()).requests_active == 0
    watch.cancel()
    await single.call(SCORE)
    await single.observer.entry()
    assert [entry.request.path for entry in single.observer.entries] == [SCORE]


async def test_reflection_is_a_conversation(single: Proxy) -> None:
    """Each question is answered before the next one comes: requests are not held here until they are whole."""
    call = reflection_pb2_grpc.ServerReflectionStub(single.channel).ServerReflectionInfo()
    for _ in range(2):
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        reply = await asyncio.wait_for(call.read(), 60)
        assert "grpc.health.v1.Health" in [each.name for each in reply.list_services_response.service]
    await call.done_writing()


async def test_a_message_as_large_as_backends_take_passes_and_a_larger_one_is_refused(
    single: Proxy, ar: Backend
) -> None:
    largest = MAX_MESSAGE_BYTES
    assert (await single.call(SCORE, b"a" * largest)).replies == [b"a" * largest]
    ended = await single.call(SCORE, b"a" * (largest + 1))
    assert (ended.code, len(ar.calls)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 1)
    assert ended.details == "the request is larger than the 4194304 bytes that are accepted"
