"""What stands beside Envoy in these tests: a real server of its access log, of authorisation, and of health."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gateway.access.authorization import SERVICE as AUTHORIZATION
from gateway.envoy.access_log_pb2 import HTTPAccessLogEntry
from gateway.envoy.authorization_pb2 import CheckRequest, CheckResponse
from gateway.figures.access_log_service import AccessLogService
from gateway.proxy.sockets import Sockets

Check = Callable[[Any], Any]


class Observer:
    """Keeps the entries, and lets in whom `check` does."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.checks: list[Any] = []
        self.check: Check = lambda request: CheckResponse()
        self._arrived = asyncio.Event()

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """Return the two services for a grpc.aio server."""
        check = grpc.unary_unary_rpc_method_handler(
            self._check,
            request_deserializer=CheckRequest.FromString,
            response_serializer=CheckResponse.SerializeToString,
        )
        authorization = grpc.method_handlers_generic_handler(AUTHORIZATION, {"Check": check})
        return [AccessLogService(self._take).handler(), authorization]

    def _take(self, entry: HTTPAccessLogEntry) -> None:
        self.entries.append(entry)
        self._arrived.set()

    async def _check(self, request: CheckRequest, _: object) -> CheckResponse:
        self.checks.append(request)
        return self.check(request)

    async def entry(self, count: int = 1) -> Any:
        """Return the `count`-th entry, waiting for it."""
        async with asyncio.timeout(60):
            while len(self.entries) < count:
                self._arrived.clear()
                await self._arrived.wait()
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
    server.add_generic_rpc_handlers(observer.handlers())
    health_pb2_grpc.add_HealthServicer_to_server(Health(), server)
    reflection.enable_server_reflection((reflection.SERVICE_NAME, "grpc.health.v1.Health"), server)
    server.add_insecure_port(f"unix:{sockets.observer}")
    await server.start()
    try:
        yield observer
    finally:
        await server.stop(0)
