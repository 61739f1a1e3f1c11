"""What runs behind the gateway's gRPC server: the watch over the backends, the history, and HTTP."""

import asyncio
from collections.abc import Collection

from gateway.backend import Backend
from gateway.history import History
from gateway.http_server import HttpServer
from runtime.health import Health


class GatewayWorker:
    """A runtime.lifecycle.Worker. It is ready at once; each service becomes available when its backend does."""

    def __init__(self, backends: Collection[Backend], http: HttpServer, history: History, health: Health) -> None:
        self._backends = backends
        self._http = http
        self._history = history
        self._health = health
        self._tasks: list[asyncio.Task[None]] = []
        self._opened: list[Backend] = []

    async def start(self) -> None:
        """Bind HTTP and begin to watch. Raises PortInUse."""
        self._tasks.append(self._http.start())
        self._tasks.append(asyncio.create_task(self._history.run()))
        for backend in self._backends:
            backend.start()
            self._opened.append(backend)
            await self._publish(backend)
            if backend.is_configured:
                self._tasks.append(asyncio.create_task(backend.watch(self._publish)))

    async def _publish(self, backend: Backend) -> None:
        await self._health.set_available(backend.service, backend.is_serving or not backend.is_configured)

    async def wait_dead(self) -> BaseException:
        """Return why the first of the tasks ended; none of them should."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().exception() or RuntimeError("the HTTP server ended")

    async def stop(self) -> None:
        """End HTTP, the watches and the channels."""
        await self._http.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for backend in self._opened:
            await backend.close()

    def last_progress(self) -> float | None:
        """Return None: the gateway holds no work of its own."""
        return None
