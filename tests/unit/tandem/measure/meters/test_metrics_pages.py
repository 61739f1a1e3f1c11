"""Metrics pages as real servers tell of them: a gateway's, those of its replicas, and why they are not known."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from runtime.server.server import RpcServer
from tandem.client.credentials import API_KEY, CA
from tandem.measure.meters.metrics_pages import NotReported, pages_of_backend, pages_of_gateway


@contextlib.asynccontextmanager
async def server(metrics_port: int) -> AsyncIterator[str]:
    """Serve health as every process does; yield host:port. `metrics_port` 0: it does not tell."""
    running = RpcServer("127.0.0.1", 0, (), (), http2="grpcio")
    running.health.set_metrics_port(metrics_port)
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
        monkeypatch.setattr("tandem.measure.meters.metrics_pages.pages_of_gateway", lambda _: _ready(page))
        with pytest.raises(NotReported, match="uses TLS"):
            await pages_of_backend(gateway, "parallel")
        assert Status.shown is None


async def _ready(page: tuple[str]) -> tuple[str]:
    return page
