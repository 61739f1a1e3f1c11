"""What stands beside Envoy in these tests: a real server of its access log, of authorisation, and of health."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from gateway.access.authorization import SERVICE as AUTHORIZATION
from gateway.envoy.authorization_pb2 import CheckRequest, CheckResponse
from gateway.figures.access_log_service import AccessLogService
from gateway.proxy.sockets import Sockets
from runtime.server.grpcio import GrpcioServer
from runtime.server.server import RpcServer
from tests.waiting import until

Check = Callable[[Any], Any]


class Observer:
    """Keeps the entries, and lets in whom `check` does."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.checks: list[Any] = []
        self.check: Check = lambda request: CheckResponse()

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """Return the two services for a grpc.aio server."""
        check = grpc.unary_unary_rpc_method_handler(
            self._check,
            request_deserializer=CheckRequest.FromString,
            response_serializer=CheckResponse.SerializeToString,
        )
        authorization = grpc.method_handlers_generic_handler(AUTHORIZATION, {"Check": check})
        return [AccessLogService(self.entries.append).handler(), authorization]

    async def _check(self, request: CheckRequest, _: object) -> CheckResponse:
        self.checks.append(request)
        return self.check(request)

    async def entry(self, count: int = 1) -> Any:
        """Return the `count`-th entry, waiting for it."""
        await until(lambda: len(self.entries) >= count)
        return self.entries[count - 1]


@contextlib.asynccontextmanager
async def observing(sockets: Sockets) -> AsyncIterator[Observer]:
    """Serve at the observer's socket, with the health and the reflection that every server has."""
    observer = Observer()
    server = RpcServer(f"unix:{sockets.observer}", 0, observer.handlers(), [], transport=GrpcioServer())
    await server.start()
    await server.health.set_serving(True)
    try:
        yield observer
    finally:
        await server.stop(0)
