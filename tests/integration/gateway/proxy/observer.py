"""What stands beside Envoy in these tests: a real server of its access log, of authorisation, and of health."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc

from gateway.access.access import Access
from gateway.access.api_keys import ApiKey
from gateway.access.authorization import Authorization
from gateway.figures.access_log_service import AccessLogService
from gateway.proxy.sockets import Sockets
from runtime.server.grpcio import GrpcioServer
from runtime.server.server import RpcServer
from tests.waiting import until


class Observer:
    """Keeps the entries and the checks, and lets in whom `check` does: callers with one of the keys."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self.entries: list[Any] = []
        self.checks: list[Any] = []
        self._authorization = Authorization(Access(keys, lambda *_: None))
        self.check: Callable[[Any, object], Awaitable[Any]] = self._authorization.check

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """Return the two services for a grpc.aio server."""
        self._authorization.check = self._check  # type: ignore[method-assign]
        return [AccessLogService(self.entries.append).handler(), self._authorization.handler()]

    async def _check(self, request: Any, context: object) -> Any:
        self.checks.append(request)
        return await self.check(request, context)

    async def entry(self, count: int = 1) -> Any:
        """Return the `count`-th entry, waiting for it."""
        await until(lambda: len(self.entries) >= count)
        return self.entries[count - 1]


@contextlib.asynccontextmanager
async def observing(sockets: Sockets, keys: Sequence[ApiKey]) -> AsyncIterator[Observer]:
    """Serve at the observer's socket, with the health and the reflection that every server has."""
    observer = Observer(keys)
    server = RpcServer(f"unix:{sockets.observer}", 0, observer.handlers(), [], transport=GrpcioServer())
    await server.start()
    await server.health.set_serving(True)
    try:
        yield observer
    finally:
        await server.stop(0)
