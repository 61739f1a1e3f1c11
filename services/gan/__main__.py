"""Composition root of the parallel backend: `python -m services.gan --help`."""

from runtime.metrics import expose, new_registry
from runtime.process.lifecycle import run_process, serve
from runtime.process.logs import configure_logging
from runtime.server.backend import backend_server
from services.gan.api.service import GanServicer
from services.gan.image_model import GanWorker
from services.gan.metrics import GanMetrics
from services.gan.settings import GanSettings
from tandem.gan.v1 import gan_pb2


async def main(settings: GanSettings) -> int:
    registry = new_registry()
    metrics = GanMetrics(registry)
    worker = GanWorker(settings, metrics)
    service, servicer = gan_pb2.DESCRIPTOR.services_by_name["GanService"], GanServicer(worker, settings, metrics)
    server = backend_server(service, servicer, metrics.backend, settings, settings.port)
    server.health.metrics_port = expose(registry, settings.host, settings.metrics_port)
    return await serve(server, worker, settings.drain_seconds)


if __name__ == "__main__":
    settings = GanSettings.from_command_line("services.gan")
    configure_logging(settings.log_level)
    settings.warn()
    run_process(main(settings))
