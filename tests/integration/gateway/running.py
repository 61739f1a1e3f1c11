"""A gateway in the test's own process, with its Envoy, in front of backends by script."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.gateway import Gateway
from gateway.proxy.bootstrap import Limits
from gateway.proxy.sockets import private_sockets
from gateway.settings import GatewaySettings
from gateway.tracing.settings import TracingSettings
from runtime.rpc.routes import SERVICES
from tests.integration.gateway.fakes import HOST, FakeBackend

# The waits of the defaults are for networks; all else is the same.
QUICK = {"health_interval": "0.1s", "health_timeout": "1s", "dns_interval": "0.1s", "log_flush": "0.02s"}


class RunningGateway:
    """A gateway in this process, its Envoy beside it, and a client's channel to it."""

    channel: grpc.aio.Channel

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._num_refused = 0
        self._has_stopped = False
        self._refused = gateway.metrics.record_refused
        gateway.metrics.record_refused = self._count_refused

    def _count_refused(self, *arguments: Any) -> None:
        """Count what the log has no entry of."""
        self._num_refused += 1
        self._refused(*arguments)

    @property
    def web_address(self) -> str:
        return f"http://{HOST}:{self.gateway.http_port}"

    async def stop(self, drain_seconds: float) -> None:
        """Stop it as a signal does, with all that it has to count; no effect on one that has stopped."""
        if not self._has_stopped:
            self._has_stopped = True
            await self.gateway.server.stop(drain_seconds)
            await self.gateway.stop()

    async def until(self, serving: bool, paradigm: str | None = None) -> None:
        """Wait until the gateway's health for one paradigm, or for all, says so."""
        name = SERVICES[paradigm].full_name if paradigm else ""
        wanted = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        check, request = health_pb2_grpc.HealthStub(self.channel).Check, health_pb2.HealthCheckRequest(service=name)
        async with asyncio.timeout(60):
            while (await check(request)).status != wanted:
                await self.poll()

    async def poll(self) -> None:
        """Take what Envoy says now, which otherwise happens each second."""
        await asyncio.sleep(0.01)
        await self.gateway.poll()

    async def until_replicas_serve(self, paradigm: str, count: int) -> None:
        """Wait until so many replicas are healthy."""
        async with asyncio.timeout(60):
            while sum(replica.is_serving for replica in self.gateway.replicas.of(paradigm)) != count:
                await self.poll()

    async def until_idle(self) -> None:
        """Wait until nothing is under way, and all that has ended is counted."""
        admin = self.gateway.envoy.admin
        async with asyncio.timeout(60):
            while (await admin.counters()).requests_active:
                await asyncio.sleep(0.01)
            await self.poll()
            while (
                self.value("tandem_requests_total") - self._num_refused < (await admin.counters()).log_entries_written
            ):
                await asyncio.sleep(0.01)

    def unary(self, path: str, request: bytes, **options: Any) -> Any:
        return self.channel.unary_unary(path)(request, **options)

    def stream(self, path: str, request: bytes, **options: Any) -> Any:
        return self.channel.unary_stream(path)(request, **options)

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that carry these labels."""
        return sum(
            sample.value
            for metric in self.gateway.registry.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@contextlib.asynccontextmanager
async def running_gateway(
    ar: list[FakeBackend] | None = None,
    gan: list[FakeBackend] | None = None,
    clock: Callable[[], float] = time.monotonic,
    limits: Limits = QUICK,
    tracing: TracingSettings | None = None,
    waits: bool = True,
    **settings: Any,
) -> AsyncIterator[RunningGateway]:
    """Run a gateway before these backends; it is ready if it `waits` until they serve."""
    targets = {"ar_targets": [each.target for each in ar or []], "gan_targets": [each.target for each in gan or []]}
    chosen = GatewaySettings(port=0, http_port=0, **{**targets, **settings})
    with private_sockets() as sockets:
        gateway = Gateway(chosen, sockets, limits, clock, tracing)
        running = RunningGateway(gateway)
        await gateway.server.start()
        try:
            await gateway.start()
            await gateway.server.health.set_serving(True)
            options = [("grpc.use_local_subchannel_pool", 1)]
            async with grpc.aio.insecure_channel(f"{HOST}:{gateway.server.port}", options=options) as running.channel:
                if waits:
                    await running.until(serving=True)
                yield running
        finally:
            await running.stop(0)
