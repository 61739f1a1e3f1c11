"""A gateway that wants keys: every RPC over both transports, what stays open, and what gets into the backends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runtime.rpc.routes import all_routes
from tests.integration.gateway.callers import SECRET, TRANSPORTS, keys_file
from tests.integration.gateway.fakes import SAMPLE, FakeBackend, FakeParallel, FakeSequential
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
async def guarded(ar: FakeBackend, gan: FakeBackend, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway([ar], [gan], api_keys_file=keys_file(tmp_path)) as running:
        await running.until(serving=True)
        yield running


@pytest.fixture
async def http(guarded: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{guarded.gateway.http_port}", timeout=60) as client:
        yield client


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", BAD)
async def test_no_rpc_without_a_key(
    guarded: RunningGateway, text: FakeSequential, images: FakeParallel, transport: str, kind: str
) -> None:
    for route in ROUTES.values():
        answer = await TRANSPORTS[transport](guarded, route, b"", BAD[kind])
        assert (answer.code, answer.message) == (
            "UNAUTHENTICATED",
            "an API key is needed, and none that is known came: send 'authorization: Bearer KEY'",
        )
        if transport == "http":
            assert answer.headers["www-authenticate"] == 'Bearer realm="tandem"'
    assert text.num_calls == images.num_calls == 0
    await guarded.until_idle()
    for route in ROUTES.values():
        labels = {"paradigm": route.paradigm, "rpc": route.rpc, "transport": transport}
        assert guarded.value("tandem_requests_total", **labels) == 1
        assert guarded.value("tandem_requests_total", **labels, code="UNAUTHENTICATED", model="unknown") == 1
    assert guarded.value("tandem_requests_without_output_total") == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_every_rpc_with_a_key(guarded: RunningGateway, transport: str) -> None:
    for route in ROUTES.values():
        answer = await TRANSPORTS[transport](guarded, route, b"", f"Bearer {SECRET}")
        assert (answer.code, answer.message) == ("OK", "")


async def test_who_is_not_known_is_refused_before_the_message_is_read(guarded: RunningGateway) -> None:
    """Neither a message that cannot be read nor one that never comes gets another answer."""
    route = ROUTES[SAMPLE]
    assert (await TRANSPORTS["grpc"](guarded, route, b"\xff\xff", None)).code == "UNAUTHENTICATED"
    never = guarded.channel.stream_unary(SAMPLE)()
    assert await never.code() is grpc.StatusCode.UNAUTHENTICATED
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{guarded.gateway.http_port}", timeout=60) as client:
        for content_type in ("application/json", "text/plain"):
            response = await client.post(SAMPLE, content=b"{nonsense", headers={"content-type": content_type})
            assert response.status_code == 401


async def test_health_and_reflection_stay_open(guarded: RunningGateway) -> None:
    reply = await health_pb2_grpc.HealthStub(guarded.channel).Check(health_pb2.HealthCheckRequest())
    assert reply.status == health_pb2.HealthCheckResponse.SERVING
    reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    call = guarded.channel.stream_stream(reflection)(iter([b"\x3a\x00"]))
    assert await call.read() is not grpc.aio.EOF


@pytest.mark.parametrize("path", ["/", "/pages/key.js", "/livez", "/readyz", "/metrics"])
async def test_what_anybody_may_have(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/status", "/history"])
async def test_what_runs_is_told_to_callers_only(http: httpx.AsyncClient, path: str) -> None:
    for kind, key in BAD.items():
        refused = await http.get(path, headers={} if key is None else {"authorization": key})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="tandem"'), kind
        assert refused.json()["error"]["status"] == "UNAUTHENTICATED", kind
        assert refused.headers["content-security-policy"], kind
        assert (await http.get(path, headers={"authorization": f"Bearer {SECRET}"})).status_code == 200
