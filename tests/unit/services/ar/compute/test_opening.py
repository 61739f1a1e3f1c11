"""What computes a model: torch is loaded only where it does, and need not be installed elsewhere."""

import subprocess
import sys

import pytest

from services.ar.compute import opening
from services.ar.model.weights import open_checkpoint
from services.ar.settings import ArSettings
from tandem.shared.models import ModelError
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


@pytest.mark.parametrize(
    ("settings", "recommended", "expected"),
    [
        ({}, None, "float32"),  # as the weights are
        ({"dtype": "int8"}, None, "float16"),
        ({}, "int8", "int8"),
        ({"dtype": "int8"}, "int8", "float16"),  # measured with the file's own weights
        ({"activation_bits": "16"}, "int8", "float32"),
        ({"kv_cache_dtype": "float16"}, "int8", "float16"),
        ({"kv_cache_dtype": "int8", "dtype": "int8"}, None, "int8"),
    ],
)
def test_keys_and_values_are_held_as_the_settings_say_then_as_the_entry_does(folder, settings, recommended, expected):
    chosen = ArSettings(device="cpu", kernel="native", **settings)
    opened = opening.open_computation(open_checkpoint(folder), 64, 1, chosen, lambda share: None, recommended)
    assert opened.kernel_causes["kv_cache_dtype"] == expected


def test_torch_takes_no_wish_for_keys_and_values(folder):
    settings = ArSettings(device="cpu", kernel="torch", kv_cache_dtype="int8")
    with pytest.raises(ModelError, match="kv_cache_dtype: int8 needs the native kernel, which is for CPUs"):
        opening.open_computation(open_checkpoint(folder), 64, 1, settings, lambda share: None)
    settings = ArSettings(device="cpu", kernel="torch")
    assert opening.open_computation(open_checkpoint(folder), 64, 1, settings, lambda share: None, "int8")
