"""Everything that HTTP serves, by path: the page, /status and /history, the RPCs as JSON, metrics and probes."""

from collections.abc import Collection
from pathlib import Path

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.staticfiles import StaticFiles

from gateway.access.api_keys import bearer
from gateway.access.door import Door
from gateway.figures.history import History
from gateway.http.errors import error_body, error_headers, http_status
from gateway.http.guard import HttpGuard
from gateway.http.status import Status
from gateway.http.transport import HttpTransport
from runtime.errors import Unauthenticated

PAGES = Path(__file__).parents[1] / "pages"


def build_app(
    door: Door,
    status: Status,
    history: History,
    registry: CollectorRegistry,
    transport: HttpTransport,
    hosts: Collection[str],
) -> FastAPI:
    """Return the application; `hosts` are names under which it may be asked for besides localhost and IP addresses."""
    app = FastAPI(title="Tandem gateway", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(HttpGuard, hosts=frozenset(hosts))
    app.router.routes.extend(transport.http_routes())
    app.mount("/pages", StaticFiles(directory=PAGES))
    _add_probes(app, status, registry)
    _add_reports(app, door, status, history)

    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(PAGES / "index.html")

    return app


def _add_reports(app: FastAPI, door: Door, status: Status, history: History) -> None:
    """Add what only callers may read."""

    async def known_caller(request: Request) -> None:
        door.identify(bearer(request.headers.getlist("authorization")))

    @app.exception_handler(Unauthenticated)
    async def refuse(_: Request, error: Unauthenticated) -> JSONResponse:
        body = error_body(error)
        return JSONResponse(body, http_status(error), dict(error_headers(body)))

    # Not coroutines: they run in a thread, and the event loop goes on meanwhile.
    @app.get("/status", dependencies=[Depends(known_caller)])
    def report() -> JSONResponse:
        return JSONResponse(status.report())

    @app.get("/history", dependencies=[Depends(known_caller)])
    def last_minutes() -> JSONResponse:
        return JSONResponse(history.report())


def _add_probes(app: FastAPI, status: Status, registry: CollectorRegistry) -> None:
    @app.get("/livez")
    async def livez() -> dict[str, bool]:
        return {"live": True}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        readiness = status.readiness()
        return JSONResponse(readiness, status_code=200 if readiness["ready"] else 503)

    @app.get("/metrics")  # in a thread, as above
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
