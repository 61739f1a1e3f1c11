"""Composition root of the parallel backend: `python -m services.gan --help`."""

from runtime.metrics import expose, new_registry
from runtime.process.lifecycle import run_process, serve
from runtime.process.logs import configure_logging
from runtime.rpc.rpc import service_handler
from runtime.rpc.served import ServedLedger
from runtime.server.served_service import SERVED_SERVICE, served_handler
from runtime.server.server import RpcServer
from services.gan.api.service import GanServicer
from services.gan.metrics import GanMetrics
from services.gan.settings import GanSettings
from services.gan.worker import GanWorker
from tandem.gan.v1 import gan_pb2


async def main(settings: GanSettings) -> int:
    registry = new_registry()
    metrics = GanMetrics(registry)
    worker = GanWorker(settings, metrics)
    ledger = ServedLedger()
    service = gan_pb2.DESCRIPTOR.services_by_name["GanService"]
    gan_handler = service_handler(service, GanServicer(worker, settings, metrics), metrics.backend, ledger)
    handlers = [gan_handler, served_handler(ledger)]
    names = [service.full_name, SERVED_SERVICE]
    server = RpcServer(settings.host, settings.port, handlers, names, settings.server_tls(), settings.http2)
    server.health.set_metrics_port(expose(registry, settings.host, settings.metrics_port))
    return await serve(server, worker, settings.drain_seconds)


if __name__ == "__main__":
    settings = GanSettings.from_command_line("services.gan")
    configure_logging(settings.log_level)
    settings.warn()
    run_process(main(settings))
