"""Health by grpc.health.v1: SERVING means loaded, warm and making progress."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

import grpc
from grpc_health.v1 import health_pb2

from runtime.rpc.call import Unobserved
from runtime.rpc.rpc import service_handler
from runtime.server.health_servicer import HealthServicer

logger = logging.getLogger(__name__)

CHECK_EVERY_SECONDS = 1.0
_SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"]


class Health:
    """The health of one server and of its services; the empty name stands for all of them together."""

    def __init__(self, service_names: Iterable[str]) -> None:
        self._servicer = HealthServicer()
        self._available = dict.fromkeys(service_names, True)
        self.serving = False

    @property
    def ready(self) -> bool:
        """Whether the server serves and everything behind each service is there."""
        return self.serving and all(self._available.values())

    @property
    def service_name(self) -> str:
        return str(_SERVICE.full_name)

    def set_metrics_port(self, port: int) -> None:
        """Let checks return the port of the process's metrics page, at the server's host."""
        self._servicer.metrics_port = port

    async def handler(self) -> grpc.GenericRpcHandler:
        """Return what serves the health service, NOT_SERVING to begin with."""
        await self.set_serving(False)
        return service_handler(_SERVICE, self._servicer, Unobserved())

    async def set_serving(self, serving: bool) -> None:
        self.serving = serving
        await self._publish()

    async def stop(self) -> None:
        """Tell everybody NOT_SERVING, and let those go who watch."""
        await self.set_serving(False)
        await self._servicer.stop()

    async def set_available(self, service_name: str, available: bool) -> None:
        """Say whether what stands behind one service is there; True to begin with."""
        self._available[service_name] = available
        await self._publish()

    async def _publish(self) -> None:
        await self._set("", self.ready)
        for name, available in self._available.items():
            await self._set(name, self.serving and available)

    async def _set(self, name: str, serving: bool) -> None:
        response = health_pb2.HealthCheckResponse
        await self._servicer.set(name, response.SERVING if serving else response.NOT_SERVING)

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
