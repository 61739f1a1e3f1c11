"""Export of an untrained run: the files draw what torch draws, and load as a model."""

import tomllib

import pytest
import torch
from prometheus_client import CollectorRegistry
from safetensors.torch import save_file

from services.gan.image_model import load_image_model
from services.gan.metrics import GanMetrics
from tandem.shared.models import ModelRepository
from tests.integration.services.gan.conftest import tiny_settings
from training import loop
from training.gan.export import export
from training.gan.networks import Discriminator, Generator
from training.onnx_files import MAX_ERROR


@pytest.fixture
def run(tmp_path):
    """A run of two snapshots with statistics and class tables that are not the initial ones."""
    torch.manual_seed(0)
    folder = tmp_path / "run"
    folder.mkdir()
    for step in (100, 200):
        generator = Generator()
        for name, value in generator.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif value.is_floating_point() and "norm" in name:
                value.normal_(0.5, 0.5)
        save_file(generator.state_dict(), folder / f"ema-{step:06d}.safetensors")
    torch.save({"discriminator": Discriminator().state_dict()}, folder / "checkpoint.pt")
    return folder


def test_export_is_checked_recorded_and_loads(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(loop, "device", lambda: torch.device("meta"))  # a machine that trains elsewhere than on the CPU
    folder = tmp_path / "models" / "new"
    export(run, folder, step=None)
    said = capsys.readouterr().out
    assert "step 200" in said
    assert (folder / "samples.png").exists()
    errors = [float(line.rsplit(" ", 1)[1]) for line in said.splitlines() if "largest difference" in line]
    assert len(errors) == 2
    assert max(errors) <= MAX_ERROR
    digests = tomllib.loads((folder / "model.toml").read_text())["files"]
    assert set(digests) == {"generator.onnx", "discriminator.onnx"}
    model = ModelRepository(folder.parent).get("new")
    settings = tiny_settings(folder.parent, models=["new"])
    assert load_image_model(model, settings, GanMetrics(CollectorRegistry())).description.has_discriminator
