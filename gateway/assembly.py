"""The gateway put together from its settings; the only place that knows every part."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from gateway.backend import Backend
from gateway.forward import Forwarder
from gateway.grpc_transport import GrpcTransport, service_names
from gateway.http_transport import HttpServer, build_app
from gateway.metrics import GatewayMetrics
from gateway.permits import Permits
from gateway.routes import PARALLEL, SEQUENTIAL
from gateway.settings import GatewaySettings
from gateway.status import Status
from gateway.worker import GatewayWorker
from runtime.metrics import new_registry
from runtime.server import RpcServer


@dataclass(frozen=True)
class Gateway:
    """A gateway, not started; `backends` and `permits` are keyed by paradigm."""

    server: RpcServer
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
    transport = GrpcTransport(Forwarder(backends, permits, metrics), metrics)
    server = RpcServer(settings.host, settings.port, transport.handlers(), service_names())
    status = Status(backends, permits, metrics, server)
    http = HttpServer(build_app(status, registry), settings.host, settings.http_port)
    worker = GatewayWorker(backends.values(), http, server.health)
    return Gateway(server, worker, http, registry, backends, permits)
