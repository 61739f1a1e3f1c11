"""What runs behind the gateway's gRPC server: the HTTP server, Envoy, and the figures made of its log."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from gateway.figures.figures import Figures
from gateway.http.server import HttpServer
from gateway.http.upstream import Upstream
from gateway.proxy.certificates import watch_certificates
from gateway.proxy.process import Envoy
from gateway.proxy.sockets import Sockets
from gateway.server import GatewayServer


class GatewayWorker:
    """A runtime.lifecycle.Worker. It is ready at once; each service becomes available when its backend does.

    `certificates` are the files that Envoy reads again when they change.
    """

    def __init__(
        self,
        server: GatewayServer,
        envoy: Envoy,
        http: HttpServer,
        upstream: Upstream,
        figures: Figures,
        sockets: Sockets,
        certificates: Sequence[Path],
    ) -> None:
        self._server = server
        self._envoy = envoy
        self._http = http
        self._upstream = upstream
        self._figures = figures
        self._sockets = sockets
        self._certificates = certificates
        self._tasks: list[asyncio.Task[Any]] = []

    async def start(self) -> None:
        """Begin to serve, what is behind Envoy first. Raises PortInUse, EnvoyEnded."""
        self._tasks.append(self._http.start())
        await self._server.open()
        await self._figures.poll()
        self._run(self._envoy.wait_dead())
        self._run(self._figures.run())
        if self._certificates:
            self._run(watch_certificates(self._certificates, self._sockets))

    def _run(self, work: Coroutine[Any, Any, Any]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def wait_dead(self) -> BaseException:
        """Return why the first of the tasks ended; none of them should."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = done.pop()
        reason = ended.exception() or ended.result()
        return reason if isinstance(reason, BaseException) else RuntimeError("the HTTP server ended")

    async def stop(self) -> None:
        """End what is left once Envoy has ended, and count what it has told last."""
        await self._upstream.close()
        await self._http.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._figures.stop()
        await self._server.close()

    def last_progress(self) -> float | None:
        """Return None: the gateway holds no work of its own."""
        return None
