"""grpc.health.v1, answered from a table of statuses. Knows nothing of what they mean.

Served like every other RPC (`runtime.rpc.rpc.service_handler`). grpc's own servicer does not answer calls that are
half-closed without a message, ends malformed ones with UNKNOWN and a traceback, has no List, and keeps its watchers to
the end of the server, which then waits for them. Here a watch ends when the server stops.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeAlias

from grpc_health.v1 import health_pb2

from runtime.rpc.call import Call
from tandem.shared.errors import TandemError, shown
from tandem.shared.metrics import METRICS_PORT_METADATA

Status: TypeAlias = int  # one of health_pb2.HealthCheckResponse.ServingStatus


class UnknownService(TandemError):
    """Expected error: the health of a service was asked for that is not served here."""

    code = "NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"service: there is no {shown(name)}")


class HealthServicer:
    """Services that were never set are unknown."""

    def __init__(self) -> None:
        self._statuses: dict[str, Status] = {}
        self._is_stopping = False
        self.metrics_port = 0
        """Port of the process's metrics page, returned with each check; 0: it has none."""
        self._changed = asyncio.Condition()

    async def set(self, service: str, status: Status) -> None:
        """Set the status of a service and notify its watchers."""
        async with self._changed:
            self._statuses[service] = status
            self._changed.notify_all()

    async def stop(self) -> None:
        """End every watch, once it has sent the last status."""
        async with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    async def check(self, request: health_pb2.HealthCheckRequest, call: Call) -> health_pb2.HealthCheckResponse:
        """Return the status of one service. Raises UnknownService."""
        status = self._statuses.get(request.service)
        if status is None:
            raise UnknownService(request.service)
        if self.metrics_port:
            call.trailers = ((METRICS_PORT_METADATA, str(self.metrics_port)),)
        return health_pb2.HealthCheckResponse(status=status)

    async def list(self, request: health_pb2.HealthListRequest, call: Call) -> health_pb2.HealthListResponse:
        """Return the status of every service, that of the whole server under the empty name."""
        response = health_pb2.HealthListResponse()
        for name, status in self._statuses.items():
            response.statuses[name].status = status
        return response

    async def watch(
        self, request: health_pb2.HealthCheckRequest, call: Call
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Yield the status of one service now and after each change, until the server stops."""
        sent: Status | None = None
        while True:
            status = self._statuses.get(request.service, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
            if status != sent:
                yield health_pb2.HealthCheckResponse(status=status)
                sent = status
            elif self._is_stopping:
                return
            else:
                async with self._changed:
                    if self._statuses.get(request.service, status) == sent and not self._is_stopping:
                        await self._changed.wait()
