"""Everything that HTTP serves, by path: the page, /status and /history, the RPCs as JSON, metrics and probes.

Envoy stands in front, the only client of the server: it checks Host, and adds the headers that tell browsers what the
page may do.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from gateway.access.access import Access
from gateway.figures.history import History
from gateway.http.endpoint import identify
from gateway.http.errors import PathError, error_body, error_headers, http_status
from gateway.http.status import Status
from runtime.metrics import readable_accept
from runtime.vllm_names import with_colons
from tandem.shared.errors import Unauthenticated

PAGES = Path(__file__).parents[1] / "pages"


def build_app(
    access: Access, status: Status, history: History, registry: CollectorRegistry, routes: Iterable[BaseRoute]
) -> FastAPI:
    """Return the application; `routes` are those of the RPCs and of other servers' protocols."""
    app = FastAPI(title="Tandem gateway", docs_url=None, redoc_url=None, openapi_url=None)
    app.router.routes.extend(routes)
    app.mount("/pages", StaticFiles(directory=PAGES))
    _add_probes(app, status, registry)
    _add_reports(app, access, status, history)
    _add_refusals(app)

    @app.api_route("/", methods=["GET", "HEAD"])
    async def page() -> FileResponse:
        return FileResponse(PAGES / "index.html")

    return app


def _add_reports(app: FastAPI, access: Access, status: Status, history: History) -> None:
    """Add what only callers may read."""

    async def known_caller(request: Request) -> None:
        identify(access, request.headers)

    @app.exception_handler(Unauthenticated)
    async def refuse(_: Request, error: Unauthenticated) -> JSONResponse:
        body = error_body(error)
        return JSONResponse(body, http_status(error), error_headers(body))

    # Not coroutines: they run in a thread, and the event loop goes on meanwhile.
    @app.get("/status", dependencies=[Depends(known_caller)])
    def report() -> JSONResponse:
        return JSONResponse(status.report())

    @app.get("/history", dependencies=[Depends(known_caller)])
    def last_minutes() -> JSONResponse:
        return JSONResponse(history.report())


def _add_refusals(app: FastAPI) -> None:
    """Have paths and methods that there are not refused in the shape that the errors beside them have."""

    async def refuse(request: Request, error: HTTPException) -> JSONResponse:
        path = request.url.path
        told = PathError(error.status_code, request.method, path)
        return JSONResponse(_refusal(told, path), told.status, error.headers)

    for status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        app.exception_handler(status)(refuse)


def _refusal(told: PathError, path: str) -> dict[str, Any]:
    """Return the error in the shape of the protocol that the path belongs to."""
    match path.removeprefix("/").partition("/")[0]:
        case "v1":
            return {"error": {"message": str(told), "type": "invalid_request_error", "param": None, "code": None}}
        case "v2":
            return {"error": f"[{told.code}] {told}"}
    return error_body(told)


def _add_probes(app: FastAPI, status: Status, registry: CollectorRegistry) -> None:
    @app.get("/livez")
    async def livez() -> dict[str, bool]:
        return {"live": True}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        readiness = status.readiness()
        return JSONResponse(readiness, status_code=200 if readiness["ready"] else 503)

    @app.api_route("/metrics", methods=["GET", "HEAD"])  # in a thread, as above
    def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(readable_accept(request.headers.get("accept", "")))
        return Response(with_colons(encode(registry)), headers={"content-type": content_type})


CLOSE_SECONDS = 1
# Longer than Envoy keeps a connection that it does not use: it is Envoy that closes, never in the face of a request.
KEEP_ALIVE_SECONDS = 2 * 3600


class HttpServer(uvicorn.Server):
    """Serves `app` at the socket `path` from `start` to `stop`."""

    def __init__(self, app: ASGIApp, path: Path) -> None:
        config = uvicorn.Config(
            app,
            uds=str(path),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=CLOSE_SECONDS,
        )
        super().__init__(config)
        self._serving: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def start(self) -> asyncio.Task[None]:
        """Bind and accept soon; return the task that ends when the server does."""
        self._serving = asyncio.create_task(self.serve())
        return self._serving

    async def stop(self) -> None:
        """Close the connections and end, if it was started."""
        self.should_exit = True
        if self._serving is not None:
            await self._serving
