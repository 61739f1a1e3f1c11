"""A gateway that wants keys: every RPC over both transports, what stays open, and what gets into the backends."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runtime.rpc.routes import all_routes
from tests.integration.gateway.callers import SECRET, TRANSPORTS, keys_file
from tests.integration.gateway.fakes import SAMPLE, FakeBackend
from tests.integration.gateway.running import RunningGateway, running_gateway

ROUTES = {route.path: route for route in all_routes()}
BAD = {
    "none": None,
    "wrong": f"Bearer {SECRET[:-1]}",
    "empty": "Bearer",
    "another scheme": f"Basic {SECRET}",
    "no scheme": SECRET,
}


@pytest.fixture
async def gateway(ar: FakeBackend, gan: FakeBackend, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway([ar], [gan], api_keys_file=keys_file(tmp_path)) as running:
        await running.until(serving=True)
        yield running


async def test_who_is_not_known_is_refused_before_the_message_is_read(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    """Neither a message that cannot be read nor one that never comes gets another answer."""
    route = ROUTES[SAMPLE]
    assert (await TRANSPORTS["grpc"](gateway, route, b"\xff\xff", None)).code == "UNAUTHENTICATED"
    never = gateway.channel.stream_unary(SAMPLE)()
    assert await never.code() is grpc.StatusCode.UNAUTHENTICATED
    for content_type in ("application/json", "text/plain"):
        response = await http.post(SAMPLE, content=b"{nonsense", headers={"content-type": content_type})
        assert response.status_code == 401


async def test_health_and_reflection_stay_open(gateway: RunningGateway) -> None:
    reply = await health_pb2_grpc.HealthStub(gateway.channel).Check(health_pb2.HealthCheckRequest())
    assert reply.status == health_pb2.HealthCheckResponse.SERVING
    reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    call = gateway.channel.stream_stream(reflection)(iter([b"\x3a\x00"]))
    assert await call.read() is not grpc.aio.EOF


async def test_what_runs_is_told_to_callers_only(http: httpx.AsyncClient) -> None:
    for path in ("/", "/pages/key.js", "/livez", "/readyz", "/metrics"):
        assert (await http.get(path)).status_code == 200, path
    for path, (kind, key) in itertools.product(("/status", "/history"), BAD.items()):
        refused = await http.get(path, headers={} if key is None else {"authorization": key})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="tandem"'), kind
        assert refused.json()["error"]["status"] == "UNAUTHENTICATED", kind
        assert refused.headers["content-security-policy"], kind
        assert (await http.get(path, headers={"authorization": f"Bearer {SECRET}"})).status_code == 200
