"""grpc.health.v1, answered from a table of statuses. Knows nothing of what they mean.

grpc's own servicer keeps its watchers to the end of the server, which then waits for them: a backend that a gateway
watches would use up its whole time to drain with nothing left to do. Here a watch ends when the server stops.
"""

import asyncio
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

Status: TypeAlias = int  # one of health_pb2.HealthCheckResponse.ServingStatus


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # it has no types
    """Services that were never set are unknown."""

    def __init__(self) -> None:
        self._statuses: dict[str, Status] = {}
        self._is_stopping = False
        self._changed = asyncio.Condition()

    async def set(self, service: str, status: Status) -> None:
        """Set the status of a service and tell its watchers."""
        async with self._changed:
            self._statuses[service] = status
            self._changed.notify_all()

    async def stop(self) -> None:
        """End every watch, once it has told the last status."""
        async with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> health_pb2.HealthCheckResponse:
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {request.service!r}")
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:
        told: Status | None = None
        while True:
            status = self._statuses.get(request.service, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
            if status != told:
                await context.write(health_pb2.HealthCheckResponse(status=status))
                told = status
            elif self._is_stopping:
                return
            else:
                async with self._changed:
                    if self._statuses.get(request.service, status) == told and not self._is_stopping:
                        await self._changed.wait()
