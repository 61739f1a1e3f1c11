"""Health by grpc.health.v1: SERVING means loaded, warm and making progress.

Served like every other RPC (`runtime.rpc.rpc.service_handler`). grpc's own servicer does not answer calls that are
half-closed without a message, ends malformed ones with UNKNOWN and a traceback, has no List, and keeps its watchers to
the end of the server, which then waits for them. Here a watch ends when the server stops.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeAlias

import grpc
from grpc_health.v1 import health_pb2

from runtime.rpc.call import Call
from runtime.rpc.rpc import service_handler
from tandem.shared.errors import TandemError, shown
from tandem.shared.metrics import METRICS_PORT_METADATA

Status: TypeAlias = int  # one of health_pb2.HealthCheckResponse.ServingStatus

logger = logging.getLogger(__name__)

CHECK_EVERY_SECONDS = 1.0
_SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"]
_RESPONSE = health_pb2.HealthCheckResponse
_UNKNOWN: Status = _RESPONSE.SERVICE_UNKNOWN


class UnknownService(TandemError):
    """Expected error: the health of a service was asked for that is not served here."""

    code = "NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"service: there is no {shown(name)}")


class Health:
    """The health of one server and of its services; the empty name stands for all of them together.

    Answers for it, too: `check`, `list` and `watch` are the methods of grpc.health.v1.
    """

    service_name: str = _SERVICE.full_name

    def __init__(self, service_names: Iterable[str]) -> None:
        self._are_available = dict.fromkeys(service_names, True)
        self.serving = False
        self.metrics_port = 0
        """Port of the process's metrics page, at the server's host, returned with each check; 0: it has none."""
        self._is_stopping = False
        self._changed = asyncio.Condition()

    @property
    def ready(self) -> bool:
        """Whether the server serves and everything behind each service is there."""
        return self.serving and all(self._are_available.values())

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what serves the health service."""
        return service_handler(_SERVICE, self)

    async def set_serving(self, serving: bool) -> None:
        self.serving = serving
        await self._notify()

    async def set_available(self, service_name: str, available: bool) -> None:
        """Say whether what stands behind one service is there; True to begin with."""
        self._are_available[service_name] = available
        await self._notify()

    async def stop(self) -> None:
        """Tell everybody NOT_SERVING, and let those go who watch, once they have been told."""
        self._is_stopping = True
        await self.set_serving(False)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _statuses(self) -> dict[str, Status]:
        are_well = {"": self.ready} | {name: self.serving and well for name, well in self._are_available.items()}
        return {name: _RESPONSE.SERVING if well else _RESPONSE.NOT_SERVING for name, well in are_well.items()}

    async def check(self, request: health_pb2.HealthCheckRequest, call: Call) -> health_pb2.HealthCheckResponse:
        """Return the status of one service. Raises UnknownService."""
        status = self._statuses().get(request.service)
        if status is None:
            raise UnknownService(request.service)
        if self.metrics_port:
            call.trailers = ((METRICS_PORT_METADATA, str(self.metrics_port)),)
        return health_pb2.HealthCheckResponse(status=status)

    async def list(self, request: health_pb2.HealthListRequest, call: Call) -> health_pb2.HealthListResponse:
        """Return the status of every service, that of the whole server under the empty name."""
        response = health_pb2.HealthListResponse()
        for name, status in self._statuses().items():
            response.statuses[name].status = status
        return response

    async def watch(
        self, request: health_pb2.HealthCheckRequest, call: Call
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Yield the status of one service now and after each change, until the server stops."""

        def status() -> Status:
            return self._statuses().get(request.service, _UNKNOWN)

        sent: Status | None = None
        while True:
            if (current := status()) != sent:
                yield health_pb2.HealthCheckResponse(status=current)
                sent = current
            elif self._is_stopping:
                return
            else:
                async with self._changed:
                    if status() == sent and not self._is_stopping:
                        await self._changed.wait()

    async def watch_progress(self, last_progress: Callable[[], float | None], stall_seconds: float) -> None:
        """Turn NOT_SERVING while work is in hand and nothing moves; never returns.

        `last_progress` returns when the worker last moved (monotonic seconds), or None while it is idle.
        """
        while True:
            await asyncio.sleep(CHECK_EVERY_SECONDS)
            moved_at = last_progress()
            moving = moved_at is None or time.monotonic() - moved_at < stall_seconds
            if moving != self.serving:
                logger.error("the work goes on again" if moving else f"no progress for {stall_seconds:g} s")
                await self.set_serving(moving)
