"""The three real processes: a tiny random transformer and the committed GAN behind the gateway."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.harness.processes import free_port, serving
from tests.tiny_models import add_to_repository


@dataclass(frozen=True)
class Stack:
    """Where the processes are."""

    address: str
    web: str

    def samples(self, name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
        """Return (labels, value) of all samples called `name` that have at least `labels`."""
        text = httpx.get(f"{self.web}/metrics").text
        return [
            (sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]


@pytest.fixture(scope="session")
def stack(tmp_path_factory) -> Iterator[Stack]:
    models_dir = tmp_path_factory.mktemp("models")
    add_to_repository(models_dir)
    ar, gan, grpc_port, http_port = (free_port() for _ in range(4))
    with ExitStack() as processes:
        for module, port, *flags in (
            ("services.ar", ar, "--models", "tiny", "--models-dir", str(models_dir), "--max-context-tokens", "512"),
            ("services.gan", gan),
        ):
            flags += ["--port", str(port), "--metrics-port", str(free_port())]
            processes.enter_context(serving(module, *flags, port=port))
        targets = ("--ar-targets", f"127.0.0.1:{ar}", "--gan-targets", f"127.0.0.1:{gan}")
        flags = ["--port", str(grpc_port), "--http-port", str(http_port), *targets]
        processes.enter_context(serving("gateway", *flags, port=grpc_port))
        yield Stack(f"127.0.0.1:{grpc_port}", f"http://127.0.0.1:{http_port}")
