"""Health as grpc.health.v1 tells it: SERVING means loaded, warm and making progress."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

logger = logging.getLogger(__name__)

CHECK_EVERY_SECONDS = 1.0


class Health:
    """The health of one server: the empty name and each of its services turn together."""

    def __init__(self, service_names: Iterable[str]) -> None:
        self._servicer = health.aio.HealthServicer()
        self._names = ("", *service_names)
        self.serving = False

    async def register(self, server: grpc.aio.Server) -> None:
        """Add the health service to `server`, NOT_SERVING."""
        await self.set_serving(False)
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set_serving(self, serving: bool) -> None:
        self.serving = serving
        response = health_pb2.HealthCheckResponse
        for name in self._names:
            await self._servicer.set(name, response.SERVING if serving else response.NOT_SERVING)

    async def watch_progress(self, last_progress: Callable[[], float | None], stall_seconds: float) -> None:
        """Turn NOT_SERVING while work is in hand and nothing moves; never returns.

        `last_progress` tells when the worker last moved (monotonic seconds), or None while it is idle.
        """
        while True:
            await asyncio.sleep(CHECK_EVERY_SECONDS)
            moved_at = last_progress()
            moving = moved_at is None or time.monotonic() - moved_at < stall_seconds
            if moving != self.serving:
                logger.error("progress resumed" if moving else "no progress for %g s", stall_seconds)
                await self.set_serving(moving)
