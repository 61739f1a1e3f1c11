"""A sequential backend in this process: the real server, engine and model code on tiny random models."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import torch
import transformers
from prometheus_client import CollectorRegistry

from runtime.server.backend import backend_server
from services.ar.api.service import ArServicer
from services.ar.compute.torch.loading import load_transformer
from services.ar.loading import ArWorker
from services.ar.metrics import ArMetrics
from services.ar.model.weights import open_checkpoint
from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2, ar_pb2_grpc
from tandem.shared.models import ModelRepository
from tests.causal_attention import CausalAttention
from tests.tiny_models import FIRST_CLASS_TOKEN, NUM_CODES, NUM_TOKENS, add_image_model, add_to_repository


@dataclass
class Backend:
    """Everything a test may want to look at."""

    stub: ar_pb2_grpc.AutoregressiveServiceStub
    channel: grpc.aio.Channel
    worker: ArWorker
    registry: CollectorRegistry
    address: str

    def sample(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def generate(self, message: ar_pb2.GenerateRequest) -> list[ar_pb2.GenerateResponse]:
        return [response async for response in self.stub.Generate(message)]

    async def assert_idle(self) -> None:
        """Wait until cancellations have arrived, then look: nothing is open, no block in use."""
        for model in self.worker.models:
            async with asyncio.timeout(60):
                while model.engine.last_progress() is not None:
                    await asyncio.sleep(0)
                # A whole request after the last one: the engine has obeyed all commands before it.
                ids = [model.description.vocab_size - 1 - model.description.takes_steps]
                sampling = {"max_tokens": 1}
                await self.generate(ar_pb2.GenerateRequest(model=model.name, tokens={"ids": ids}, sampling=sampling))
                while self.sample("tandem_kv_blocks_used", model=model.name):
                    await asyncio.sleep(0)
            assert self.sample("tandem_sequences_running", model=model.name) == 0
            assert self.sample("tandem_sequences_waiting", model=model.name) == 0
            model.engine._scheduler.check_integrity()


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> tuple[Path, transformers.PreTrainedModel]:
    """A model repository with a tiny text model and a tiny image model, and transformers' version of the first."""
    models_dir = tmp_path_factory.mktemp("models")
    reference = add_to_repository(models_dir)
    add_image_model(models_dir)
    return models_dir, reference


@pytest.fixture
def reference(repository) -> transformers.PreTrainedModel:
    return repository[1]


@pytest.fixture(scope="session")
def oracle(repository) -> Callable[[int, list[int]], torch.Tensor]:
    """Log-probabilities [T, NUM_CODES] at each place of an image's codes [T], without cache, batch or runner."""
    path = ModelRepository(repository[0]).get("tiny-image").transformer_path()
    transformer = load_transformer(open_checkpoint(path), torch.float32, torch.device("cpu"))
    transformer.prepare(NUM_TOKENS)

    @torch.inference_mode()
    def log_probabilities(label: int, codes: list[int]) -> torch.Tensor:
        ids = torch.tensor([FIRST_CLASS_TOKEN + label, *codes[:-1]])
        hidden = transformer(ids, torch.arange(len(ids)), CausalAttention())
        return transformer.logits(hidden)[:, :NUM_CODES].log_softmax(-1)

    return log_probabilities


@asynccontextmanager
async def serving(settings: ArSettings) -> AsyncIterator[Backend]:
    registry = CollectorRegistry()
    metrics = ArMetrics(registry)
    worker = ArWorker(settings, metrics)
    descriptor = ar_pb2.DESCRIPTOR.services_by_name["AutoregressiveService"]
    server = backend_server(descriptor, ArServicer(worker, metrics), metrics.backend, settings, port=0)
    await server.start()
    await worker.start()
    await server.health.set_serving(True)
    address = f"127.0.0.1:{server.port}"
    async with grpc.aio.insecure_channel(address) as channel:
        yield Backend(ar_pb2_grpc.AutoregressiveServiceStub(channel), channel, worker, registry, address)
    await server.stop(5.0)
    await worker.stop()


LIMITS = {"max_context_tokens": 256, "max_num_sequences": 32, "max_queued_sequences": 32, "max_caller_share": 1.0}


@pytest.fixture
async def backend(repository) -> AsyncIterator[Backend]:
    """The text model alone."""
    async with serving(
        ArSettings(models_dir=repository[0], models=["tiny"], kv_cache_tokens=1024, **LIMITS)
    ) as running:
        yield running


@pytest.fixture
async def both(repository) -> AsyncIterator[Backend]:
    """The text model and the image model."""
    models = ["tiny", "tiny-image"]
    async with serving(ArSettings(models_dir=repository[0], models=models, kv_cache_tokens=2048, **LIMITS)) as running:
        yield running
