"""The gateway put together from its settings; the only place that knows every part."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from gateway.backend import Backend
from gateway.door import Door
from gateway.forward import Forwarder
from gateway.grpc_transport import GrpcTransport, service_names
from gateway.history import History
from gateway.http_app import build_app
from gateway.http_server import HttpServer
from gateway.http_transport import HttpTransport
from gateway.metrics import GatewayMetrics
from gateway.permits import Permits
from gateway.server import GatewayServer
from gateway.settings import GatewaySettings
from gateway.status import Status
from gateway.worker import GatewayWorker
from runtime.metrics import new_registry
from runtime.routes import PARALLEL, SEQUENTIAL


@dataclass(frozen=True)
class Gateway:
    """A gateway, not started; `backends` and `permits` are keyed by paradigm."""

    server: GatewayServer
    worker: GatewayWorker
    http: HttpServer
    registry: CollectorRegistry
    backends: Mapping[str, Backend]
    permits: Mapping[str, Permits]


def assemble(settings: GatewaySettings, clock: Callable[[], float] = time.monotonic) -> Gateway:
    """Build the gateway; needs a running event loop. `clock` is that of the budgets."""
    tls, backend_tls = settings.server_tls(), settings.backend_tls()
    # Read once: a file that is replaced meanwhile must not make one replica differ from the next.
    credentials = backend_tls.grpc_credentials() if backend_tls else None
    targets = {SEQUENTIAL: settings.ar_targets, PARALLEL: settings.gan_targets}
    backends = {paradigm: Backend(paradigm, addresses, credentials) for paradigm, addresses in targets.items()}
    permits = {paradigm: Permits(paradigm, settings.max_in_flight) for paradigm in targets}
    registry = new_registry()
    metrics = GatewayMetrics(registry)
    for paradigm, permit in permits.items():
        metrics.watch_permits(paradigm, permit)
        metrics.watch_backend(backends[paradigm])
    door = Door(settings.api_keys(), clock)
    forwarder = Forwarder(backends, permits, metrics)
    grpc_handlers = GrpcTransport(door, forwarder, metrics).handlers()
    http_transport = HttpTransport(door, forwarder, metrics)
    server = GatewayServer(settings.host, settings.port, grpc_handlers, service_names(), http_transport, tls)
    history = History(metrics.totals)
    status = Status(backends, permits, metrics, server)
    app = build_app(door, status, history, registry, http_transport, settings.http_hosts)
    http = HttpServer(app, settings.host, settings.http_port, tls)
    worker = GatewayWorker(backends.values(), http, history, server.health)
    return Gateway(server, worker, http, registry, backends, permits)
