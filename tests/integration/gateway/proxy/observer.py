"""What stands beside Envoy in these tests: a real server of its access log, of authorisation, and of health."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gateway.proxy.sockets import Sockets

Check = Callable[[Any], Any]


class Observer(als_pb2_grpc.AccessLogServiceServicer, external_auth_pb2_grpc.AuthorizationServicer):
    """Keeps the entries, and lets in whom `check` does."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.checks: list[Any] = []
        self.check: Check = lambda request: external_auth_pb2.CheckResponse()
        self._arrived = asyncio.Condition()

    async def StreamAccessLogs(self, messages: Any, context: Any) -> Any:
        async for message in messages:
            async with self._arrived:
                self.entries += message.http_logs.log_entry
                self._arrived.notify_all()
        return als_pb2.StreamAccessLogsResponse()

    async def Check(self, request: Any, context: Any) -> Any:
        self.checks.append(request)
        return self.check(request)

    async def entry(self, count: int = 1) -> Any:
        """Return the `count`-th entry, waiting for it."""
        async with asyncio.timeout(20), self._arrived:
            await self._arrived.wait_for(lambda: len(self.entries) >= count)
        return self.entries[count - 1]


class Health(health_pb2_grpc.HealthServicer):
    """Is SERVING."""

    async def Check(self, request: Any, context: Any) -> Any:
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def observing(sockets: Sockets) -> AsyncIterator[Observer]:
    """Serve at the observer's socket."""
    observer, server = Observer(), grpc.aio.server()
    als_pb2_grpc.add_AccessLogServiceServicer_to_server(observer, server)
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(observer, server)
    health_pb2_grpc.add_HealthServicer_to_server(Health(), server)
    reflection.enable_server_reflection((reflection.SERVICE_NAME, "grpc.health.v1.Health"), server)
    server.add_insecure_port(f"unix:{sockets.observer}")
    await server.start()
    try:
        yield observer
    finally:
        await server.stop(0)
