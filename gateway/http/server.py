"""The HTTP server: uvicorn at a Unix socket on the process's own event loop. Leaves signals to process.lifecycle.

Envoy is its only client. Knows nothing of what is served.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

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
