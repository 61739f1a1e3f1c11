"""What the process serves: worker, servicer and server put together."""

from runtime.metrics import expose, new_registry
from runtime.process.lifecycle import run_process, serve
from runtime.rpc.rpc import service_handler
from runtime.rpc.served import ServedLedger
from runtime.server.served_service import SERVED_SERVICE, served_handler
from runtime.server.server import RpcServer
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
    registry = new_registry()
    metrics = ArMetrics(registry)
    worker = ArWorker(settings, metrics, hashes)
    descriptor = ar_pb2.DESCRIPTOR.services_by_name["AutoregressiveService"]
    ledger = ServedLedger()
    own = service_handler(descriptor, ArServicer(worker, metrics), metrics.backend, ledger)
    handlers, names = [own, served_handler(ledger)], [descriptor.full_name, SERVED_SERVICE]
    server = RpcServer(settings.host, settings.port, handlers, names, settings.server_tls(), settings.http2)
    server.health.set_metrics_port(expose(registry, settings.host, settings.metrics_port))
    return await serve(server, worker, settings.drain_seconds)
