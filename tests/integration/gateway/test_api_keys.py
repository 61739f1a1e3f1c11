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
from tests.integration.gateway.fakes import SAMPLE, FakeBackend, FakeParallel, FakeSequential
from tests.integration.gateway.running import RunningGateway, running_gateway

ROUTES = {route.path: route for route in all_routes()}
OIP = "/inference.GRPCInferenceService"
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


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_every_rpc_wants_a_key_and_each_refusal_is_counted(
    gateway: RunningGateway, text: FakeSequential, images: FakeParallel, transport: str
) -> None:
    for route, key in itertools.product(ROUTES.values(), BAD.values()):
        answer = await TRANSPORTS[transport](gateway, route, b"", key)
        assert (answer.code, answer.message) == (
            "UNAUTHENTICATED",
            "an API key is needed, and none that is known came: send 'authorization: Bearer KEY'",
        )
    assert text.num_calls == images.num_calls == 0
    await gateway.until_idle()
    for route in ROUTES.values():
        labels = {"paradigm": route.paradigm, "rpc": route.rpc, "transport": transport}
        assert gateway.value("tandem_requests_total", **labels) == len(BAD)
        assert gateway.value("tandem_requests_total", **labels, code="UNAUTHENTICATED", model="unknown") == len(BAD)
    assert gateway.value("tandem_requests_without_output_total") == 0
    for route in ROUTES.values():
        assert (await TRANSPORTS[transport](gateway, route, b"", f"Bearer {SECRET}")).code == "OK"


async def test_every_path_of_other_protocols_wants_a_key(http: httpx.AsyncClient) -> None:
    posted = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/images/generations")
    posted += ("/tokenize", "/detokenize", "/v2/repository/index", "/v2/models/a/infer")
    read = ("/v1/models", "/v1/models/a", "/tokenizer_info", "/v2", "/v2/models/a", "/v2/models/a/ready")
    read += ("/v2/models/a/config", "/v2/models/stats")
    for method, path in (*(("POST", path) for path in posted), *(("GET", path) for path in read)):
        refused = await http.request(method, path, content=b"{nonsense" if method == "POST" else b"")
        assert (refused.status_code, "an API key is needed" in refused.text) == (401, True), path
        assert refused.headers["www-authenticate"].startswith("Bearer"), path
    for path in ("/v2/health/live", "/v2/health/ready", "/health", "/docs", "/openapi.json"):
        assert (await http.get(path)).status_code == 200, path


async def test_health_and_reflection_stay_open(gateway: RunningGateway) -> None:
    reply = await health_pb2_grpc.HealthStub(gateway.channel).Check(health_pb2.HealthCheckRequest())
    assert reply.status == health_pb2.HealthCheckResponse.SERVING
    reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    call = gateway.channel.stream_stream(reflection)(iter([b"\x3a\x00"]))
    assert await call.read() is not grpc.aio.EOF
    for method in ("ServerLive", "ServerReady"):
        assert await gateway.unary(f"{OIP}/{method}", b"") == b"\x08\x01"
    for method in ("ServerMetadata", "ModelMetadata", "ModelReady", "ModelStatistics", "ModelInfer"):
        with pytest.raises(grpc.aio.AioRpcError, match="an API key is needed"):
            await gateway.unary(f"{OIP}/{method}", b"")


async def test_what_runs_is_told_to_callers_only(http: httpx.AsyncClient) -> None:
    for path in ("/", "/pages/key.js", "/livez", "/readyz", "/metrics"):
        assert (await http.get(path)).status_code == 200, path
    for path, (kind, key) in itertools.product(("/status", "/history"), BAD.items()):
        refused = await http.get(path, headers={} if key is None else {"authorization": key})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="tandem"'), kind
        assert refused.json()["error"]["status"] == "UNAUTHENTICATED", kind
        assert refused.headers["content-security-policy"], kind
        assert (await http.get(path, headers={"authorization": f"Bearer {SECRET}"})).status_code == 200
