"""Everything that HTTP serves, by path: the page, /status and /history, the RPCs as JSON, metrics and probes."""

from collections.abc import Collection
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.staticfiles import StaticFiles

from gateway.history import History
from gateway.http_guard import HttpGuard
from gateway.http_transport import HttpTransport
from gateway.status import Status

PAGES = Path(__file__).with_name("pages")


def build_app(
    status: Status, history: History, registry: CollectorRegistry, transport: HttpTransport, hosts: Collection[str]
) -> FastAPI:
    """Return the application; `hosts` are names under which it may be asked for besides localhost and IP addresses."""
    app = FastAPI(title="Tandem gateway", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(HttpGuard, hosts=frozenset(hosts))
    app.router.routes.extend(transport.http_routes())
    app.mount("/pages", StaticFiles(directory=PAGES))
    _add_probes(app, status, registry)

    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(PAGES / "index.html")

    # Not coroutines: they run in a thread, and the event loop goes on forwarding meanwhile.
    @app.get("/status")
    def report() -> JSONResponse:
        return JSONResponse(status.report())

    @app.get("/history")
    def last_minutes() -> JSONResponse:
        return JSONResponse(history.report())

    return app


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
