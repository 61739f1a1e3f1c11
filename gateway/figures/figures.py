"""The room put together: what takes Envoy's log, what it becomes, and what else the gateway knows of its backends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import grpc
from prometheus_client import CollectorRegistry

from gateway.figures.access_log_service import AccessLogService
from gateway.figures.history import History
from gateway.figures.late_served import LateServed
from gateway.figures.metrics import GatewayMetrics
from gateway.figures.models import Models
from gateway.figures.proxy_watch import Changed, ProxyWatch
from gateway.figures.recorder import Ledger, Recorder, Sorter
from gateway.figures.replica_channels import ReplicaChannels
from gateway.figures.replicas import Replicas
from gateway.proxy.admin import Admin

_CLOSING_SECONDS = 2.0


class Figures:
    """Serve `handlers()` before Envoy starts, `run` while it runs, and `stop` when it has ended.

    `targets` (host:port each) are keyed by paradigm; `credentials` are those of connections to backends; `ledger` is
    told what callers had; `changed` is awaited when a paradigm begins or ceases to be served. Needs a running event
    loop.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        targets: Mapping[str, Sequence[str]],
        admin: Admin,
        ledger: Ledger | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        changed: Changed | None = None,
    ) -> None:
        self.metrics = GatewayMetrics(registry)
        self.history = History(self.metrics.totals)
        self.replicas = Replicas(targets)
        registry.register(self.replicas)
        self._channels = ReplicaChannels(credentials)
        self.models = Models(self._channels)
        self._watch = ProxyWatch(admin, self.replicas, self._channels, self.models, changed)
        recorder = Recorder(self.metrics, ledger)
        self._late = LateServed(self._channels, recorder.record)
        self._log = AccessLogService(Sorter(recorder, self._late).take)

    def handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        """Return the services that Envoy calls."""
        return (self._log.handler(),)

    async def run(self) -> None:
        """Never returns; raises what goes wrong."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch.run())
            group.create_task(self._late.run())
            group.create_task(self.history.run())

    async def poll(self) -> None:
        """Ask Envoy now how its replicas are. Raises AdminError."""
        await self._watch.poll()

    async def stop(self) -> None:
        """Record what has come in; call it when Envoy has ended and `run` was cancelled."""
        await self._log.until_closed(_CLOSING_SECONDS)
        await self._late.finish()
        await self._channels.close()
