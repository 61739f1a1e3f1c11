"""A parallel backend in this process: the real server, batchers and ONNX sessions on tiny models."""

import contextlib
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from prometheus_client import CollectorRegistry

from runtime.http2 import Http2
from runtime.server.backend import backend_server
from services.common.runtimes.onnx_session import OnnxSession
from services.gan.api.service import GanServicer
from services.gan.image_model import GanWorker
from services.gan.metrics import GanMetrics
from services.gan.settings import GanSettings
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tests.integration.services.gan.tiny_onnx import write_repository


@dataclass
class Backend:
    """Everything a test may want to look at."""

    stub: gan_pb2_grpc.GanServiceStub
    channel: grpc.aio.Channel
    worker: GanWorker
    registry: CollectorRegistry
    address: str

    def sample(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


class Gate:
    """Every pass of a model goes through it; `entered` counts those that came to it while it was closed."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.entered = threading.Semaphore(0)
        self._open.set()

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def pass_through(self) -> None:
        if not self._open.is_set():
            self.entered.release()
            self._open.wait()


SERVERS: tuple[Http2, ...] = ("auto", "grpcio")
"""Our own server, which calls callback methods back, and grpcio's, to which they are coroutines."""


@contextlib.asynccontextmanager
async def running_backend(settings: GanSettings, drain_seconds: float = 5.0) -> AsyncIterator[Backend]:
    registry = CollectorRegistry()
    metrics = GanMetrics(registry)
    worker = GanWorker(settings, metrics)
    service, servicer = gan_pb2.DESCRIPTOR.services_by_name["GanService"], GanServicer(worker, settings, metrics)
    server = backend_server(service, servicer, metrics.backend, settings, port=0)
    await server.start()
    try:
        await worker.start()
        address = f"127.0.0.1:{server.port}"
        async with grpc.aio.insecure_channel(address) as channel:
            yield Backend(gan_pb2_grpc.GanServiceStub(channel), channel, worker, registry, address)
            for model in worker.models:
                for batcher in model.parts:
                    batcher.check_integrity()
    finally:
        await server.stop(drain_seconds)
        await worker.stop()


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_repository(folder)
    return folder


def tiny_settings(models_dir: Path, **changes: object) -> GanSettings:
    fields = {
        "models_dir": models_dir,
        "models": ["tiny", "plain", "colour"],
        "provider": "cpu",
        "runtime": "onnxruntime",
        "num_instances": 2,
        "max_batch_size": 8,
        "max_queued_images": 64,
        "max_images_per_request": 32,
        "max_images_per_stream": 5000,
    }
    return GanSettings.model_validate({**fields, **changes})


@pytest.fixture
async def backend(models_dir: Path) -> AsyncIterator[Backend]:
    async with running_backend(tiny_settings(models_dir)) as running:
        yield running


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch):
    gate = Gate()
    run = OnnxSession.run

    def held(self, *arguments):
        gate.pass_through()
        return run(self, *arguments)

    monkeypatch.setattr(OnnxSession, "run", held)
    yield gate
    gate.open()


@pytest.fixture(params=SERVERS)
async def narrow(models_dir: Path, gate: Gate, request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """One instance behind the gate, with room for 16 images in the queue, over each server."""
    settings = tiny_settings(
        models_dir,
        models=["tiny"],
        num_instances=1,
        max_queued_images=16,
        max_images_per_request=16,
        http2=request.param,
    )
    async with running_backend(settings) as running:
        try:
            yield running
        finally:
            gate.open()
