"""The HTTP door: probes, metrics, status, the page."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.gateway.fakes import SAMPLE, FakeBackend, RunningGateway


@pytest.fixture
async def http(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.gateway.http.port}") as client:
        yield client


async def test_probes_follow_the_backends(gateway: RunningGateway, gan: FakeBackend, http: httpx.AsyncClient) -> None:
    assert (await http.get("/livez")).status_code == 200
    ready = await http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "missing": {}})
    await gan.stop()
    await gateway.until(serving=False)
    unready = await http.get("/readyz")
    assert unready.status_code == 503
    assert unready.json()["missing"] == {"parallel": f"parallel backend is not reachable at {gan.target}"}
    assert (await http.get("/livez")).status_code == 200


async def test_not_ready_while_the_gateway_drains(gateway: RunningGateway, http: httpx.AsyncClient) -> None:
    await gateway.gateway.server.health.set_serving(False)
    response = await http.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"ready": False, "missing": {}})
    assert "starting or stopping" in (await http.get("/")).text


async def test_metrics_can_be_read(gateway: RunningGateway, http: httpx.AsyncClient) -> None:
    await gateway.unary(SAMPLE, b"")
    response = await http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    names = {family.name for family in text_string_to_metric_families(response.text)}
    assert {"tandem_requests", "gen_ai_server_request_duration_seconds", "process_cpu_seconds"} <= names


async def test_status_tells_what_runs(gateway: RunningGateway, gan: FakeBackend, http: httpx.AsyncClient) -> None:
    for _ in range(3):
        await gateway.unary(SAMPLE, b"")
    status = (await http.get("/status")).json()
    assert status["grpc_port"] == gateway.gateway.server.port
    found = {each["paradigm"]: each for each in status["paradigms"]}["parallel"]
    assert found["replicas"] == [{"target": gan.target, "state": "serving", "in_flight": 0}]
    assert found["models"] == [
        {"name": "fake-<gan>", "makes": "image", "licence": "MIT", "runs_on": "CPUExecutionProvider"}
    ]
    [row] = found["rpcs"]
    assert (row["rpc"], row["requests"]) == ("Sample", {"OK": 3})
    assert 0 < row["p50_seconds"] <= row["p95_seconds"] < 10


async def test_page_shows_and_escapes(gateway: RunningGateway, http: httpx.AsyncClient) -> None:
    await gateway.unary(SAMPLE, b"")
    page = await http.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "fake-&lt;gan&gt;" in page.text
    assert "fake-<gan>" not in page.text
    assert "OK 1" in page.text
    assert f"127.0.0.1:{gateway.gateway.server.port}" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text


async def test_host_header_is_escaped(http: httpx.AsyncClient) -> None:
    page = await http.get("/", headers={"host": '"><script>alert(1)</script>'})
    assert "<script>alert" not in page.text


async def test_page_says_that_a_backend_is_gone(
    gateway: RunningGateway, ar: FakeBackend, http: httpx.AsyncClient
) -> None:
    await ar.stop()
    await gateway.until(serving=False)
    page = (await http.get("/")).text
    assert "1 of 2 backends missing" in page
    assert "not reachable" in page
    # What it served is remembered.
    assert "fake-text" in page


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/nothing"])
async def test_nothing_else_is_there(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 404
