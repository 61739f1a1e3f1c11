"""A tiny model as a Hugging Face directory and as a GGUF file: one of each to read, and a copy to be spoilt."""

import shutil
from pathlib import Path

import pytest

from services.ar.model.weights import open_checkpoint
from tests.tiny_gguf import write_gguf
from tests.tiny_models import save_tiny_model


@pytest.fixture(scope="session")
def pristine(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    save_tiny_model(folder)
    return folder


@pytest.fixture
def folder(pristine, tmp_path) -> Path:
    return shutil.copytree(pristine, tmp_path / "model")


@pytest.fixture(scope="session")
def pristine_gguf(pristine, tmp_path_factory) -> Path:
    return write_gguf(open_checkpoint(pristine), tmp_path_factory.mktemp("gguf") / "model.gguf")
