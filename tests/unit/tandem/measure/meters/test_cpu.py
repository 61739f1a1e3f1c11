"""CPU seconds from real metrics pages, and where servers say that these are."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from unittest.mock import AsyncMock

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import start_http_server

from runtime.metrics import new_registry
from runtime.server.server import RpcServer
from tandem.client.credentials import API_KEY, CA
from tandem.measure.meters.cpu import (
    CpuMeter,
    CpuReading,
    NotReported,
    cpu_meter,
    pages_of_backend,
    pages_of_gateway,
    read_cpu_seconds,
)
from tandem.measure.results.comparison import CpuSource

GATEWAY = "127.0.0.1:1"  # nobody listens there


@pytest.fixture
def page() -> Iterator[str]:
    yield from served(new_registry())


def served(registry: CollectorRegistry) -> Iterator[str]:
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_page_s_seconds_are_the_process_s_own(page: str) -> None:
    before = time.process_time()
    found = read_cpu_seconds(page)
    assert before - 0.02 <= found <= time.process_time() + 0.02  # it counts in hundredths


def test_a_gateway_s_seconds_are_those_of_both_its_processes() -> None:
    registry = CollectorRegistry()
    for name, seconds in (("process_cpu_seconds", 1.5), ("envoy_process_cpu_seconds", 4.0)):
        Counter(name, "x", registry=registry).inc(seconds)
    for address in served(registry):
        assert read_cpu_seconds(address) == 5.5


async def test_what_is_known_is_read_and_the_rest_is_none(page: str) -> None:
    meter = await cpu_meter(GATEWAY, {"parallel": page})
    assert [(source.process, source.is_known) for source in meter.sources] == [
        ("gateway", False),
        ("sequential backend", False),
        ("parallel backend", True),
    ]
    assert await meter.read("sequential") == CpuReading(None, None)
    reading = await meter.read("parallel")
    assert reading.gateway is None
    assert reading.backend is not None


async def test_a_page_that_is_given_must_be_there() -> None:
    with pytest.raises(ValueError, match=r"gateway metrics: no CPU time to be had at 127\.0\.0\.1:1: "):
        await cpu_meter(GATEWAY, {"gateway": "127.0.0.1:1"})


async def test_a_page_without_cpu_seconds_is_no_source() -> None:
    registry = CollectorRegistry()
    Counter("other", "x", registry=registry)
    for address in served(registry):
        with pytest.raises(ValueError, match="has no process_cpu_seconds_total"):
            await cpu_meter(GATEWAY, {"sequential": address})


async def test_a_server_that_cannot_be_asked_is_named() -> None:
    notes = [source.note for source in (await cpu_meter(GATEWAY, {})).sources]
    assert notes == [f"the server at {GATEWAY} does not answer a health check: UNAVAILABLE"] * 3


async def test_a_page_that_is_gone_is_an_os_error() -> None:
    with pytest.raises(OSError, match="refused"):
        await CpuMeter((), {"parallel": ("127.0.0.1:1",)}).read("parallel")


async def test_replicas_count_together(page: str) -> None:
    """Both "replicas" are this process: twice its seconds."""
    source = CpuSource(process="parallel backend", metrics_address=f"{page}, {page}", is_known=True, note="")
    before = time.process_time()
    found = (await CpuMeter([source], {"parallel": (page, page)}).read("parallel")).backend
    assert found is not None
    assert 2 * (before - 0.02) <= found <= 2 * (time.process_time() + 0.02)


@contextlib.asynccontextmanager
async def server(metrics_port: int) -> AsyncIterator[str]:
    """Serve health as every process does; yield host:port. `metrics_port` 0: it does not tell."""
    running = RpcServer("127.0.0.1", 0, (), (), http2="grpcio")
    running.health.metrics_port = metrics_port
    await running.start()
    yield f"127.0.0.1:{running.port}"
    await running.stop(0)


class Status(BaseHTTPRequestHandler):
    """What the gateway says at /status, and what it was shown."""

    report: Any = None
    shown: str | None = None

    def do_GET(self) -> None:
        type(self).shown = self.headers["authorization"]
        body = json.dumps(self.report).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def http_port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Status) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running.server_port
        running.shutdown()
        thread.join()


def report(**replicas: str) -> dict[str, Any]:
    """Return what the gateway says of replicas of the parallel backend: their states, by host:port."""
    listed = [{"target": target, "state": state} for target, state in replicas.items()]
    return {"paradigms": [{"paradigm": "sequential", "replicas": []}, {"paradigm": "parallel", "replicas": listed}]}


async def test_every_replica_that_serves_is_found(http_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY, "tdm_secret")
    async with server(http_port) as gateway, server(9102) as first, server(9104) as second:
        assert await pages_of_gateway(gateway) == (f"127.0.0.1:{http_port}",)
        Status.report = report(**{first: "serving", second: "serving", "127.0.0.1:1": "not_ready"})
        assert await pages_of_backend(gateway, "parallel") == ("127.0.0.1:9102", "127.0.0.1:9104")
        assert Status.shown == "Bearer tdm_secret"
        with pytest.raises(NotReported, match="no replica of the sequential backend"):
            await pages_of_backend(gateway, "sequential")


async def test_one_replica_that_does_not_tell_leaves_the_paradigm_unknown(http_port: int) -> None:
    async with server(http_port) as gateway, server(9102) as first, server(0) as second:
        Status.report = report(**{first: "serving", second: "serving"})
        with pytest.raises(NotReported, match=f"{second} does not tell where its metrics are"):
            await pages_of_backend(gateway, "parallel")


@pytest.mark.parametrize("said", [None, {"paradigms": 3}, report(), {"paradigms": []}])
async def test_what_is_no_gateway_s_status_is_named(http_port: int, said: Any) -> None:
    Status.report = said
    async with server(http_port) as gateway:
        with pytest.raises(NotReported):
            await pages_of_backend(gateway, "parallel")


async def test_a_gateway_that_does_not_tell_or_is_not_there_is_named() -> None:
    async with server(0) as gateway:
        with pytest.raises(NotReported, match=f"{gateway} does not tell"):
            await pages_of_gateway(gateway)
    with pytest.raises(NotReported, match=f"{gateway} does not answer a health check: UNAVAILABLE"):
        await pages_of_gateway(gateway)


async def test_a_key_does_not_travel_in_the_clear(
    http_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    async with server(http_port) as gateway:
        page = await pages_of_gateway(gateway)
        Status.shown = None
        monkeypatch.setenv(API_KEY, "tdm_secret")
        monkeypatch.setenv(CA, str(tmp_path / "ca.pem"))
        monkeypatch.setattr("tandem.measure.meters.cpu.pages_of_gateway", AsyncMock(return_value=page))
        with pytest.raises(NotReported, match="uses TLS"):
            await pages_of_backend(gateway, "parallel")
        assert Status.shown is None
