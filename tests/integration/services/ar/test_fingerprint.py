"""The fingerprint of a sequential model differs where weights, precision or kernel do, and only there."""

import shutil
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from safetensors.torch import load_file, save_file

from services.ar.loading import load
from services.ar.metrics import ArMetrics
from services.ar.settings import ArSettings
from tandem.shared.file_hashes import FileHashes
from tandem.shared.models import ModelRepository
from tests.tiny_models import add_to_repository


@pytest.fixture
def models_dir(tmp_path) -> Path:
    add_to_repository(tmp_path / "models", "tiny")
    return tmp_path / "models"


def fingerprint(models_dir: Path, name: str = "tiny", **settings: object) -> str:
    model = ModelRepository(models_dir).get(name)
    fixed = {"models_dir": models_dir, "models": [name], "device": "cpu", **settings}
    return load(model, ArSettings(**fixed), ArMetrics(CollectorRegistry()), FileHashes()).fingerprint


def test_it_is_the_same_at_each_start_and_under_any_name(models_dir):
    shutil.copytree(models_dir / "tiny", models_dir / "copy")
    assert fingerprint(models_dir) == fingerprint(models_dir) == fingerprint(models_dir, "copy")


def test_it_differs_where_weights_configuration_chat_template_or_default_sampling_do(models_dir):
    weights, folder = models_dir / "tiny" / "weights", models_dir / "tiny"
    found = {fingerprint(models_dir)}
    tensors = load_file(weights / "model.safetensors")
    tensors["model.norm.weight"][0] += 1.0
    save_file(tensors, weights / "model.safetensors")
    found.add(fingerprint(models_dir))
    for file, before, after in (
        (weights / "config.json", '"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-05'),
        (weights / "chat_template.jinja", "{", "!{"),
        (folder / "model.toml", '"weights"', '"weights"\n[sampling]\ntemperature = 0.2'),
        (folder / "model.toml", "temperature = 0.2", "temperature = 0.4"),
    ):
        text = file.read_text()
        assert before in text
        file.write_text(after.join(text.rsplit(before, 1)))
        found.add(fingerprint(models_dir))
    assert len(found) == 6


def test_it_differs_where_prompts_are_cut_at_other_places_and_only_there(models_dir):
    def exact(**settings: object) -> str:
        return fingerprint(models_dir, kernel="torch", dtype="float32", max_num_sequences=32, **settings)

    assert exact(max_batch_tokens=64) != exact(max_batch_tokens=256) == exact(max_batch_tokens=512)
    native = {fingerprint(models_dir, max_num_sequences=32, max_batch_tokens=tokens) for tokens in (64, 256)}
    assert len(native) == 1


def test_it_names_kernel_and_precision(models_dir):
    assert fingerprint(models_dir, dtype="float32").startswith("native-float32-")
    assert fingerprint(models_dir, dtype="int8").startswith("native-int8-")
    assert fingerprint(models_dir, dtype="float32", kernel="torch").startswith("torch-float32-")
