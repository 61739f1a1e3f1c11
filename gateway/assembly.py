"""The gateway put together from its settings; the only place that knows every part."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from gateway.backend import Backend
from gateway.forward import Forwarder
from gateway.grpc_transport import GrpcTransport, service_names
from gateway.history import History
from gateway.http_app import build_app
from gateway.http_server import HttpServer
from gateway.http_transport import HttpTransport
from gateway.metrics import GatewayMetrics
from gateway.permits import Permits
from gateway.routes import PARALLEL, SEQUENTIAL
from gateway.server import GatewayServer
from gateway.settings import GatewaySettings
from gateway.status import Status
from gateway.worker import GatewayWorker
from runtime.metrics import new_registry


@dataclass(frozen=True)
class Gateway:
    """A gateway, not started; `backends` and `permits` are keyed by paradigm."""

    server: GatewayServer
    worker: GatewayWorker
    http: HttpServer
    registry: CollectorRegistry
    backends: Mapping[str, Backend]
    permits: Mapping[str, Permits]


def assemble(settings: GatewaySettings) -> Gateway:
    """Build the gateway; needs a running event loop."""
    targets = {SEQUENTIAL: settings.ar_targets, PARALLEL: settings.gan_targets}
    backends = {paradigm: Backend(paradigm, addresses) for paradigm, addresses in targets.items()}
    permits = {paradigm: Permits(paradigm, settings.max_in_flight) for paradigm in targets}
    registry = new_registry()
    metrics = GatewayMetrics(registry)
    for paradigm, permit in permits.items():
        metrics.watch_permits(paradigm, permit)
        metrics.watch_backend(backends[paradigm])
    forwarder = Forwarder(backends, permits, metrics)
    grpc_handlers = GrpcTransport(forwarder, metrics).handlers()
    http_transport = HttpTransport(forwarder, metrics)
    server = GatewayServer(settings.host, settings.port, grpc_handlers, service_names(), http_transport)
    history = History(metrics.totals)
    app = build_app(Status(backends, permits, metrics, server), history, registry, http_transport, settings.http_hosts)
    http = HttpServer(app, settings.host, settings.http_port)
    worker = GatewayWorker(backends.values(), http, history, server.health)
    return Gateway(server, worker, http, registry, backends, permits)
