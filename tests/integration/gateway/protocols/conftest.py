"""Real backends in processes of their own, of tiny random models and the committed GAN, and a gateway before them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from benchmarks.harness.processes import free_port, serving
from tests.integration.gateway.protocols.backends import Backends
from tests.integration.gateway.running import RunningGateway, running_gateway
from tests.tiny_models import add_image_model, add_to_repository


@pytest.fixture(scope="session")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    models_dir = tmp_path_factory.mktemp("models")
    add_to_repository(models_dir, window=0)
    add_image_model(models_dir)
    ar, gan = free_port(), free_port()
    of_text = ("--models", "tiny,tiny-image", "--models-dir", str(models_dir), "--max-context-tokens", "256")
    with ExitStack() as processes:
        for module, port, flags in (("services.ar", ar, of_text), ("services.gan", gan, ())):
            ports = ("--port", str(port), "--metrics-port", str(free_port()))
            processes.enter_context(serving(module, *flags, *ports, port=port))
        yield Backends(f"127.0.0.1:{ar}", f"127.0.0.1:{gan}")


@pytest.fixture
async def gateway(backends: Backends) -> AsyncIterator[RunningGateway]:
    async with running_gateway(**backends.targets) as running:
        yield running
