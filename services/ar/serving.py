"""What the process serves: worker, servicer and server put together."""

from runtime.metrics import expose, new_registry
from runtime.process.lifecycle import run_process, serve
from runtime.server.backend import backend_server
from services.ar.api.service import ArServicer
from services.ar.loading import ArWorker
from services.ar.metrics import ArMetrics
from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tandem.shared.file_hashes import FileHashes


def run(settings: ArSettings, hashes: FileHashes) -> None:
    """Serve until the process is to end, and exit with its code. `hashes` may have begun with the models' files."""
    run_process(_serve(settings, hashes))


async def _serve(settings: ArSettings, hashes: FileHashes) -> int:
    registry = new_registry(settings.metrics_names)
    metrics = ArMetrics(registry)
    worker = ArWorker(settings, metrics, hashes)
    descriptor = ar_pb2.DESCRIPTOR.services_by_name["AutoregressiveService"]
    server = backend_server(descriptor, ArServicer(worker, metrics), metrics.backend, settings, settings.port)
    server.health.metrics_port = expose(registry, settings.host, settings.metrics_port)
    return await serve(server, worker, settings.drain_seconds)
