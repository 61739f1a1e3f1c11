"""The HTTP server: a socket and uvicorn on the process's own event loop. Leaves signals to runtime.lifecycle.

Knows nothing of what is served.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from runtime.server import PortInUse
from runtime.tls import ServerTls

CLOSE_SECONDS = 1


class _SignalFreeServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Owns the HTTP server; `start` binds."""

    def __init__(self, app: ASGIApp, host: str, port: int, tls: ServerTls | None = None) -> None:
        self._app = app
        self._tls = tls
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
            **(self._tls.uvicorn_options() if self._tls else {}),
        )
        self._server = _SignalFreeServer(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        return self._serving

    async def stop(self) -> None:
        """Close the connections and end, if it was started."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
