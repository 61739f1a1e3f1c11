"""Real backends in processes of their own, of tiny random models and the committed GAN, and a gateway before them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import httpx
import openai
import pytest

from benchmarks.harness.processes import free_port, serving
from tandem.ar.v1 import ar_pb2_grpc
from tandem.gan.v1 import gan_pb2_grpc
from tests.integration.gateway.protocols.openai.stubs import Stubs
from tests.integration.gateway.running import RunningGateway, running_gateway
from tests.tiny_models import add_image_model, add_to_repository


@pytest.fixture(scope="session")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """The settings of a gateway before both backends."""
    models_dir = tmp_path_factory.mktemp("models")
    add_to_repository(models_dir)
    add_image_model(models_dir)
    ar, gan = free_port(), free_port()
    of_text = ("--models", "tiny,tiny-image", "--models-dir", str(models_dir), "--max-context-tokens", "256")
    with ExitStack() as processes:
        for module, port, flags in (
            ("services.ar", ar, of_text),
            ("services.gan", gan, ("--models-dir", str(Path("models")))),
        ):
            ports = ("--port", str(port), "--metrics-port", str(free_port()))
            processes.enter_context(serving(module, *flags, *ports, port=port))
        yield {"ar_targets": [f"127.0.0.1:{ar}"], "gan_targets": [f"127.0.0.1:{gan}"]}


@pytest.fixture
async def gateway(targets: dict[str, list[str]]) -> AsyncIterator[RunningGateway]:
    async with running_gateway(**targets) as running:
        await running.until(serving=True)
        yield running


@pytest.fixture
async def http(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.web_address, timeout=30) as client:
        yield client


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's own client, which holds every reply against OpenAI's types."""
    address = f"{gateway.web_address}/v1"
    async with openai.AsyncOpenAI(base_url=address, api_key="none", _strict_response_validation=True) as client:
        yield client


@pytest.fixture
def stubs(gateway: RunningGateway) -> Stubs:
    """Our own RPCs through the same gateway."""
    channel: grpc.aio.Channel = gateway.channel
    return Stubs(ar_pb2_grpc.AutoregressiveServiceStub(channel), gan_pb2_grpc.GanServiceStub(channel))
