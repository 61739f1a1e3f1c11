"""The HTTP side: probes, metrics, status, the page."""

from __future__ import annotations

import re

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.http.app import PAGES
from tests.integration.gateway.fakes import IMAGE_MODEL, SAMPLE, FakeBackend
from tests.integration.gateway.running import RunningGateway, running_gateway


async def test_probes_follow_the_backends(gateway: RunningGateway, gan: FakeBackend, http: httpx.AsyncClient) -> None:
    assert (await http.get("/livez")).status_code == 200
    ready = await http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "missing": {}})
    await gan.stop()
    await gateway.until(serving=False)
    unready = await http.get("/readyz")
    assert unready.status_code == 503
    assert unready.json()["missing"] == {"parallel": f"parallel backend is not ready at {gan.target}"}
    assert (await http.get("/livez")).status_code == 200


async def test_metrics_can_be_read(gateway: RunningGateway, http: httpx.AsyncClient) -> None:
    await gateway.unary(SAMPLE, b"")
    response = await http.get("/metrics")
    assert (await http.head("/metrics")).status_code == response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    unreadable = await http.get("/metrics", headers={"accept": "text/plain; version=x"})
    assert (unreadable.status_code, unreadable.headers["content-type"]) == (200, response.headers["content-type"])
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    assert {"tandem_requests", "gen_ai_server_request_duration_seconds", "process_cpu_seconds"} <= families.keys()
    [started] = families["envoy_process_start_time_seconds"].samples
    assert started.value == pytest.approx(psutil.Process(gateway.gateway.envoy.pid).create_time(), abs=0.1)


async def test_status_tells_what_runs(gateway: RunningGateway, gan: FakeBackend, http: httpx.AsyncClient) -> None:
    for _ in range(3):
        await gateway.unary(SAMPLE, b"")
    await gateway.until_idle()
    status = (await http.get("/status")).json()
    assert status["grpc_port"] == gateway.gateway.server.port
    found = {each["paradigm"]: each for each in status["paradigms"]}["parallel"]
    assert found["replicas"] == [{"target": gan.target, "state": "serving", "in_flight": 0, "models": [IMAGE_MODEL]}]
    assert found["models"] == [
        {
            "name": "fake-<gan>",
            "makes": "image",
            "licence": "MIT",
            "providers": ["CPUExecutionProvider"],
            "runs_on": "CPUExecutionProvider",
        }
    ]
    [row] = found["rpcs"]
    assert (row["rpc"], row["requests"]) == ("Sample", {"OK": 3})
    assert 0 < row["p50_seconds"] <= row["p95_seconds"]


async def test_the_page_s_files_are_strict_and_self_contained(http: httpx.AsyncClient) -> None:
    files = [f"/pages/{page.relative_to(PAGES)}" for page in sorted(PAGES.rglob("*")) if page.is_file()]
    for path in ("/", *files):
        page = await http.get(path)
        assert page.status_code == 200, path
        policy = page.headers["content-security-policy"]
        assert ("default-src 'none'" in policy, "unsafe" in policy) == (True, False), path
        assert page.headers["x-content-type-options"] == "nosniff", path
        assert (await http.head(path)).status_code == 200, path
        elsewhere = {word for word in re.findall(r"https?://[^\s\"'`)]*", page.text) if "www.w3.org" not in word}
        assert elsewhere == set(), path
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\(|\son\w+=", page.text), path


async def test_a_page_that_has_not_changed_is_not_sent_again(http: httpx.AsyncClient) -> None:
    first = await http.get("/pages/main.js")
    assert first.headers["cache-control"] == "no-cache"
    again = await http.get("/pages/main.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


OWN = (
    "localhost",
    "localhost:8080",
    "LOCALHOST:1",
    "127.0.0.1:8080",
    "10.1.2.3",
    "[::1]:8080",
    "[fe80::1]",
    "GW.lan:80",
)
FOREIGN = (
    *("evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "[evil]", "gw.lan.x"),
    *("gwxlan", "10.1.2.3.4", "localhost:evil", "a.gw.lan"),
)


async def test_own_and_configured_names_are_served_and_one_that_may_have_been_rebound_is_not(
    ar: FakeBackend, gan: FakeBackend
) -> None:
    async with running_gateway([ar], [gan], http_hosts=["gw.lan"]) as gateway:
        address = f"http://127.0.0.1:{gateway.gateway.http_port}"
        async with httpx.AsyncClient(base_url=address, timeout=60) as http:
            served = [name for name in OWN if (await http.get("/status", headers={"host": name})).status_code == 200]
            refused = [name for name in FOREIGN if (await http.get("/", headers={"host": name})).status_code == 403]
    assert served == list(OWN)
    assert refused == list(FOREIGN)


async def test_nothing_else_is_there_and_a_method_that_a_path_does_not_take_is_told(http: httpx.AsyncClient) -> None:
    for path in ("/redoc", "/v1/nothing", "/nothing", "/pages/..%2fserver.py", "/pages/nothing.js"):
        assert (await http.get(path)).status_code == 404, path
    response = await http.get(SAMPLE)
    told = {"code": 405, "status": "UNIMPLEMENTED", "message": f"'{SAMPLE}' does not take GET", "details": []}
    assert (response.status_code, response.headers["allow"], response.json()) == (405, "POST", {"error": told})
    missing, refused = await http.get("/v2/trace/setting"), await http.get("/v2/models/a/infer")
    assert (missing.status_code, missing.json()) == (
        404,
        {"error": "[NOT_FOUND] there is nothing at '/v2/trace/setting'"},
    )
    told = {"error": "[UNIMPLEMENTED] '/v2/models/a/infer' does not take GET"}
    assert (refused.status_code, refused.json()) == (405, told)
