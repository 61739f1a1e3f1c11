"""The gateway put together from its settings, and run: the only place that knows every part."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from prometheus_client import CollectorRegistry, ProcessCollector

from gateway.access.access import Access
from gateway.access.authorization import Authorization
from gateway.admission import Entrance
from gateway.envoy.access_log_pb2 import HTTPAccessLogEntry
from gateway.figures.access_log_service import AccessLogService
from gateway.figures.history import History
from gateway.figures.late_served import LateServed
from gateway.figures.metrics import GatewayMetrics
from gateway.figures.model_statistics import ModelStatistics
from gateway.figures.recorder import Recorder
from gateway.figures.replicas import Replicas
from gateway.http import rpcs
from gateway.http.app import HttpServer, build_app
from gateway.http.parsing import JsonParser
from gateway.http.rpcs import rpc_routes
from gateway.http.status import Status
from gateway.listing import listing_handlers
from gateway.protocols.catalogue import Catalogue
from gateway.protocols.oip import inference as oip
from gateway.protocols.oip.protocol import OipProtocol
from gateway.protocols.openai import exchange as openai
from gateway.protocols.openai.protocol import OpenAiProtocol
from gateway.proxy import bootstrap
from gateway.proxy.admin import GRPC, HTTP, AdminError
from gateway.proxy.binary import find_envoy
from gateway.proxy.bootstrap import Limits
from gateway.proxy.certificates import watch_certificates
from gateway.proxy.pools import Pools
from gateway.proxy.process import Envoy
from gateway.proxy.sent_times import SentTimes
from gateway.proxy.sockets import Sockets
from gateway.settings import GatewaySettings
from gateway.tracing.settings import TracingSettings
from runtime.metrics import new_registry
from runtime.rpc.routes import PARALLEL, SEQUENTIAL, SERVICES
from runtime.server.grpcio import AGELESS, GrpcioServer
from runtime.server.server import RpcServer

if TYPE_CHECKING:
    from gateway.tracing.tracer import Tracer

logger = logging.getLogger(__name__)

LOG_SECONDS = 5.0
"""What the entries of finished calls may take to arrive; Envoy loses those that it still has when it ends."""

CUT_OFF_SECONDS = 0.5
"""Time for Envoy to log the HTTP calls that were still open, and to answer their clients."""


class GatewayServer(RpcServer):
    """Answers health and reflection for clients, and Envoy's own calls; `port` is Envoy's gRPC port once it listens."""

    def __init__(
        self,
        sockets: Sockets,
        handlers: Iterable[grpc.GenericRpcHandler],
        envoy: Envoy,
        entrances: Sequence[Entrance],
        num_logged: Callable[[], int],
    ) -> None:
        """`num_logged` returns how many entries of Envoy's log have come."""
        names = [service.full_name for service in SERVICES.values()]
        own = GrpcioServer(options=AGELESS)  # the access log is one call
        super().__init__(f"unix:{sockets.observer}", 0, handlers, names, transport=own)
        self._envoy = envoy
        self._entrances = entrances
        self._num_logged = num_logged

    async def open(self) -> None:
        """Have Envoy listen at the public ports. Raises PortInUse, EnvoyEnded."""
        await self._envoy.start()
        self.port = self._envoy.ports[GRPC]
        self.health.metrics_port = self._envoy.ports[HTTP]

    async def stop(self, drain_seconds: float) -> None:
        """Accept nothing new, let requests in flight finish for so long, and wait until Envoy's log has told of all.

        Call `close` when Envoy's log has ended.
        """
        await self.health.set_serving(False)
        drains = (entrance.drain(drain_seconds) for entrance in self._entrances)
        _, *all_ended = await asyncio.gather(self._envoy.drain(drain_seconds), *drains)
        if not all(all_ended):
            await self._envoy.drain(CUT_OFF_SECONDS)
        if self._envoy.ports and not await self._envoy.until_logged(self._num_logged, LOG_SECONDS):
            logger.warning("the last entries of Envoy's log have not come; their requests are not counted")

    async def close(self) -> None:
        """End the server itself."""
        await super().stop(0)


_CLOSING_SECONDS = 2.0
"""What the last entries of the log get to come in once Envoy has ended."""


class Gateway:
    """A lifecycle.Worker behind `server`: ready at once; a service becomes available when its backend does.

    Building it leaves in the folder of `sockets` what Envoy starts with. `limits` replace those of envoy.yaml, `clock`
    is that of the budgets; with `tracing` requests become spans. Needs a running event loop. Raises NoEnvoy, and
    OSError if the host's name has no address.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        sockets: Sockets,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        tracing: TracingSettings | None = None,
    ) -> None:
        bootstrap.write(settings, sockets, limits, tracing)
        self._sockets, self._certificates = sockets, settings.certificates()
        self._tasks: list[asyncio.Task[Any]] = []
        self.envoy, self.registry = Envoy(find_envoy(), sockets, settings.workers), new_registry(settings.metrics_names)
        self.metrics, tls = GatewayMetrics(self.registry), settings.backend_tls()
        self._targets = {SEQUENTIAL: settings.ar_targets, PARALLEL: settings.gan_targets}
        self._pools, credentials = Pools(sockets.internal), tls.grpc_credentials() if tls else None
        self.replicas = Replicas(self._targets, self._publish, credentials, self._pools.tell)
        self.registry.register(self.replicas)
        access = Access(settings.api_keys(), self.metrics.over_budget, clock)
        statistics = ModelStatistics()
        self._tracer = _open_tracer(tracing, self.registry)
        recorder = Recorder(self.metrics, access.charge, statistics, self._tracer)
        self._late = LateServed(self.replicas, recorder.record)
        self._sent = SentTimes(sockets.sent_times) if sockets.sent_times.exists() else None
        self._log = AccessLogService(self._take)
        transports, catalogue = (rpcs.TRANSPORT, oip.TRANSPORT, openai.TRANSPORT), Catalogue(self.replicas)
        self._parser = JsonParser()
        new_entrance = partial(Entrance, access, self.metrics, self._parser, sockets.internal)
        self.entrances = [new_entrance(transport) for transport in transports]
        for_json, for_oip, for_openai = self.entrances
        self._oip = OipProtocol(for_oip, catalogue, statistics, sockets)
        handlers = [self._log.handler(), *listing_handlers(self.replicas)]
        handlers += [Authorization(access).handler()] if access.asks_for_keys else []
        self.server = GatewayServer(sockets, handlers, self.envoy, self.entrances, lambda: self._log.num_taken)
        self._history, status = History(self.metrics), Status(self.replicas, self.metrics, self.server)
        routes = (*rpc_routes(for_json), *self._oip.http_routes, *OpenAiProtocol(for_openai, catalogue).http_routes())
        app = build_app(access, status, self._history, self.registry, routes)
        self._http = HttpServer(app, sockets.http)

    @property
    def http_port(self) -> int:
        """The port of HTTP, once started."""
        return self.envoy.ports[HTTP]

    async def start(self) -> None:
        """Begin to serve, what is behind Envoy first. Raises PortInUse, EnvoyEnded."""
        self._tasks.append(self._http.start())
        await self._oip.start()
        await self.server.open()
        ProcessCollector("envoy", lambda: self.envoy.pid, registry=self.registry)  # metrics envoy_process_...
        try:
            await self.poll()
        except AdminError:  # nothing is known yet; what follows asks again, and sees if Envoy has ended
            await self.replicas.update(())
        admin, certificates = self.envoy.admin, watch_certificates(self._certificates, self._sockets)
        work = (self.envoy.wait_dead(), self.replicas.run(admin), self._history.run(), certificates)
        self._tasks += [asyncio.create_task(task) for task in work]

    def _take(self, raw: HTTPAccessLogEntry) -> None:
        if self._sent is not None:
            self._sent.put_into(raw)
        self._late.take(raw)

    async def poll(self) -> None:
        """Ask Envoy now how its replicas are. Raises AdminError."""
        await self.replicas.poll(self.envoy.admin)

    async def wait_dead(self) -> BaseException:
        """Return why the first of the tasks ended; none of them should."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = done.pop()
        reason = ended.exception() or ended.result()
        return reason if isinstance(reason, BaseException) else RuntimeError("the HTTP server ended")

    async def stop(self) -> None:
        """Stop the tasks that ask Envoy, end Envoy, then stop the rest; count the last log entries."""
        asking = self._tasks[1:]  # the first one serves HTTP
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await self.envoy.stop()
        await self._oip.close()
        self._parser.close()
        for entrance in self.entrances:
            await entrance.close()
        await self._http.stop()
        await self._log.until_closed(_CLOSING_SECONDS)
        await self._late.finish()
        if self._tracer is not None:
            await self._tracer.close()
        await self.replicas.close()
        await self._pools.close()
        await self.server.close()

    def last_progress(self) -> float | None:
        """Return None: the gateway holds no work of its own."""
        return None

    async def _publish(self, paradigm: str, is_serving: bool) -> None:
        """What is not configured is not missing."""
        is_available = is_serving or not self._targets[paradigm]
        await self.server.health.set_available(SERVICES[paradigm].full_name, is_available)


def _open_tracer(settings: TracingSettings | None, registry: CollectorRegistry) -> Tracer | None:
    """Return the tracer of the settings, or none. The SDK is loaded only where something is traced."""
    if settings is None:
        return None
    from gateway.tracing.tracer import open_tracer

    return open_tracer(settings, registry)
