"""A model that can be told functions, beside the images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer

from benchmarks.harness.processes import free_port, serving
from tests.integration.gateway.protocols.backends import TEXT, Backends
from tests.tiny_models import VOCAB_SIZE, add_to_repository


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory, backends: Backends) -> Iterator[Backends]:
    """Its context has room for functions, and its last token begins a call."""
    models_dir: Path = tmp_path_factory.mktemp("models")
    add_to_repository(models_dir, max_position_embeddings=4096, vocab_size=VOCAB_SIZE + 1)
    path = str(models_dir / TEXT / "weights" / "tokenizer.json")
    tokenizer = Tokenizer.from_file(path)
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False)])
    tokenizer.save(path)
    ar = free_port()
    flags = ("--models", TEXT, "--models-dir", str(models_dir), "--port", str(ar), "--metrics-port", str(free_port()))
    with serving("services.ar", *flags, port=ar):
        yield backends._replace(ar=f"127.0.0.1:{ar}")
