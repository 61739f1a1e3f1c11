"""The HTTP server: a Unix socket and uvicorn on the process's own event loop. Leaves signals to runtime.lifecycle.

Envoy is its only client. Knows nothing of what is served.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

CLOSE_SECONDS = 1
# Longer than Envoy keeps a connection that it does not use: it is Envoy that closes, never in the face of a request.
KEEP_ALIVE_SECONDS = 2 * 3600


class _SignalFreeServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Owns the HTTP server at the Unix socket `path`; `start` binds."""

    def __init__(self, app: ASGIApp, path: Path) -> None:
        self._app = app
        self._path = path
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Bind and accept; return the task that ends when the server does."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self._path))
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
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
