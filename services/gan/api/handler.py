"""How a process serves the GanService: its methods, and the fast path before them."""

from runtime.rpc.rpc import ServiceHandler, service_handler
from runtime.rpc.served.ledger import ServedLedger
from services.gan.api.quick.fast_path import SampleFastPath
from services.gan.api.service import GanServicer
from services.gan.metrics import GanMetrics
from services.gan.settings import GanSettings
from services.gan.worker import GanWorker
from tandem.gan.v1 import gan_pb2


def gan_handler(worker: GanWorker, settings: GanSettings, metrics: GanMetrics, ledger: ServedLedger) -> ServiceHandler:
    """Return what serves the worker's models."""
    descriptor = gan_pb2.DESCRIPTOR.services_by_name["GanService"]
    fast_path = SampleFastPath(worker, settings, metrics.backend, ledger)
    return service_handler(descriptor, GanServicer(worker, settings, metrics), metrics.backend, ledger, fast_path)
