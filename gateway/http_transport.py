"""HTTP for people and probes: the start page, /status, /metrics, /livez, /readyz.

Serves on the process's own event loop and leaves signals to runtime.lifecycle.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from gateway.status import Status
from runtime.server import PortInUse

PAGE = Path(__file__).with_name("pages") / "start.html"
CLOSE_SECONDS = 1

# The page is one file: it may load nothing from elsewhere and be framed by nobody.
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}


def build_app(status: Status, registry: CollectorRegistry) -> FastAPI:
    """Return the application that shows `status` and exports `registry`."""
    app = FastAPI(title="Tandem gateway", docs_url=None, redoc_url=None, openapi_url=None)
    page = Environment(autoescape=True).from_string(PAGE.read_text(encoding="utf-8"))

    @app.get("/livez")
    async def livez() -> dict[str, bool]:
        return {"live": True}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        readiness = status.readiness()
        return JSONResponse(readiness, status_code=200 if readiness["ready"] else 503)

    @app.get("/status")
    async def report() -> dict[str, Any]:
        return status.report()

    # Not a coroutine: it runs in a thread, and the event loop goes on forwarding meanwhile.
    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/")
    async def start_page(request: Request) -> HTMLResponse:
        content = page.render(status=status.report(), host=request.url.hostname)
        return HTMLResponse(content, headers=_PAGE_HEADERS)

    return app


class _SignalFreeServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Owns the HTTP server; `start` binds."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self.port = port
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Bind and accept; return the task that ends when the server does. Raises PortInUse."""
        try:
            listener = socket.create_server((self._host, self.port), backlog=128)
        except OSError as error:
            raise PortInUse(f"cannot listen on {self._host}:{self.port} for HTTP: {error.strerror}") from None
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=CLOSE_SECONDS,
        )
        self._server = _SignalFreeServer(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        return self._serving

    async def stop(self) -> None:
        """Close the connections and end, if it was started."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
