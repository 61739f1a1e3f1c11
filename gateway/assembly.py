"""The gateway put together from its settings; the only place that knows every part."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc
from prometheus_client import CollectorRegistry

from gateway.access.access import Access
from gateway.access.authorization import Authorization
from gateway.access.door import Door
from gateway.figures.figures import Figures
from gateway.http.app import build_app
from gateway.http.parsing import JsonParser
from gateway.http.server import HttpServer
from gateway.http.status import Status
from gateway.http.transport import HttpTransport
from gateway.http.upstream import Upstream
from gateway.proxy import bootstrap
from gateway.proxy.binary import find_envoy
from gateway.proxy.limits import Limits
from gateway.proxy.listeners import HTTP
from gateway.proxy.process import Envoy
from gateway.proxy.sockets import Sockets
from gateway.server import GatewayServer
from gateway.settings import GatewaySettings
from gateway.worker import GatewayWorker
from runtime.metrics import new_registry
from runtime.routes import PARALLEL, SEQUENTIAL, SERVICES


@dataclass(frozen=True)
class Gateway:
    """A gateway, not started."""

    server: GatewayServer
    worker: GatewayWorker
    envoy: Envoy
    figures: Figures
    registry: CollectorRegistry

    @property
    def http_port(self) -> int:
        """The port of HTTP, once started."""
        return self.envoy.ports[HTTP]


def assemble(
    settings: GatewaySettings,
    sockets: Sockets,
    limits: Limits | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Gateway:
    """Build the gateway, and leave in the folder of `sockets` what Envoy starts with; needs a running event loop.

    `clock` is that of the budgets. Raises NoEnvoy, and OSError if the name of the host has no address.
    """
    targets = {SEQUENTIAL: settings.ar_targets, PARALLEL: settings.gan_targets}

    async def publish(paradigm: str, is_serving: bool) -> None:
        """What is not configured is not missing."""
        await server.health.set_available(SERVICES[paradigm].full_name, is_serving or not targets[paradigm])

    bootstrap.write(settings, sockets, limits)
    envoy = Envoy(find_envoy(), sockets, settings.workers)
    access, registry = Access(settings.api_keys(), clock), new_registry()
    figures = Figures(registry, targets, envoy.admin, access, _credentials(settings), publish)
    door, upstream = Door(access, figures.metrics), Upstream(sockets.internal)
    transport = HttpTransport(door, upstream, JsonParser(), figures.metrics)
    authorization = [Authorization(door).handler()] if access.asks_for_keys else []
    server = GatewayServer(sockets, [*figures.handlers(), *authorization], envoy, transport)
    status = Status(figures.replicas, figures.models, figures.metrics, server)
    http = HttpServer(build_app(door, status, figures.history, registry, transport, settings.http_hosts), sockets.http)
    worker = GatewayWorker(server, envoy, http, upstream, figures, sockets, settings.certificates())
    return Gateway(server, worker, envoy, figures, registry)


def _credentials(settings: GatewaySettings) -> grpc.ChannelCredentials | None:
    tls = settings.backend_tls()
    return tls.grpc_credentials() if tls else None
