"""What computes a model: torch is loaded only where it does, and need not be installed elsewhere."""

import subprocess
import sys

import pytest

from runtime.models import ModelError
from services.ar.compute import opening
from services.ar.model.weights import open_checkpoint
from services.ar.settings import ArSettings
from tests.tiny_models import save_tiny_model

OPEN = """
import sys
from pathlib import Path
import services.ar.serving  # all that the server loads by itself
from services.ar.compute.opening import open_computation
from services.ar.model.weights import open_checkpoint
from services.ar.settings import ArSettings

settings = ArSettings(device="cpu", kernel=sys.argv[2])
computation = open_computation(open_checkpoint(Path(sys.argv[1])), 64, 1, settings, lambda share: None)
print(computation.kernel, "torch" in sys.modules)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny_model(folder)
    return folder


@pytest.mark.parametrize("kernel", ["native", "torch"])
def test_the_native_kernel_needs_no_torch(folder, kernel):
    command = [sys.executable, "-c", OPEN, str(folder), kernel]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == f"{kernel} {kernel == 'torch'}\n"


def test_where_torch_is_not_installed_an_error_says_what_needs_it(folder, monkeypatch):
    monkeypatch.setattr(opening, "find_spec", lambda name: None)
    checkpoint = open_checkpoint(folder)
    assert opening.open_computation(checkpoint, 64, 1, ArSettings(kernel="native"), lambda share: None)
    with pytest.raises(ModelError, match="torch is not installed; it computes on GPUs"):
        opening.open_computation(checkpoint, 64, 1, ArSettings(kernel="torch"), lambda share: None)


def test_a_gpu_that_is_not_there_is_told(folder, monkeypatch):
    monkeypatch.setattr(opening, "_CUDA_DRIVER", "libno-such-driver.so")
    with pytest.raises(ModelError, match="'cuda' was asked for, but torch finds no CUDA device"):
        opening.open_computation(open_checkpoint(folder), 64, 1, ArSettings(device="cuda"), lambda share: None)
