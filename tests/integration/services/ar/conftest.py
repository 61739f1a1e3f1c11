"""A sequential backend in this process: the real server, engine and model code on a tiny random model."""

from dataclasses import dataclass

import grpc
import pytest
import transformers
from prometheus_client import CollectorRegistry

from runtime.rpc import service_handler
from runtime.server import RpcServer
from services.ar.metrics import ArMetrics
from services.ar.service import ArServicer
from services.ar.settings import ArSettings
from services.ar.worker import ArWorker
from tandem.ar.v1 import ar_pb2, ar_pb2_grpc
from tests.tiny_models import add_to_repository


@dataclass
class Backend:
    """Everything a test may want to look at."""

    stub: ar_pb2_grpc.AutoregressiveServiceStub
    channel: grpc.aio.Channel
    worker: ArWorker
    registry: CollectorRegistry
    reference: transformers.PreTrainedModel

    def sample(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory):
    models_dir = tmp_path_factory.mktemp("models")
    return models_dir, add_to_repository(models_dir)


@pytest.fixture
async def backend(tiny_repository):
    models_dir, reference = tiny_repository
    settings = ArSettings(
        models_dir=models_dir, models=["tiny"], max_context_tokens=256, kv_cache_tokens=1024, max_queued_sequences=32
    )
    registry = CollectorRegistry()
    metrics = ArMetrics(registry)
    worker = ArWorker(settings, metrics)
    descriptor = ar_pb2.DESCRIPTOR.services_by_name["AutoregressiveService"]
    handler = service_handler(descriptor, ArServicer(worker, metrics), metrics.backend)
    server = RpcServer("127.0.0.1", 0, [handler], [descriptor.full_name])
    await server.start()
    await worker.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield Backend(ar_pb2_grpc.AutoregressiveServiceStub(channel), channel, worker, registry, reference)
    await server.stop(5.0)
    await worker.stop()
