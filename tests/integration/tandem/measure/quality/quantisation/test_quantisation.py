"""`tandem models quantise` on the committed model: what it changes, what it measures, and that it hides no loss."""

import shutil
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner

from runtime.metrics import new_registry
from runtime.models import ModelError, ModelRepository
from services.gan.image_model import load_image_model
from services.gan.metrics import GanMetrics
from tandem.cli.main import app
from tandem.cli.models.collapse.network import write_narrowed
from tandem.measure.quality.fashion_mnist import DEFAULT_FOLDER
from tandem.measure.quality.quantisation import quantisation
from tests.integration.services.gan.conftest import tiny_settings
from tests.integration.services.gan.tiny_onnx import write_repository

MODELS = Path(__file__).parents[6] / "models"

pytestmark = pytest.mark.skipif(not DEFAULT_FOLDER.exists(), reason="needs the package dataset-fashion-mnist")


@pytest.fixture
def models_dir(tmp_path):
    for name in ("fashion-gan", "fashion-judge"):
        shutil.copytree(MODELS / name, tmp_path / "models" / name)
    return tmp_path / "models"


def run(models_dir: Path, *flags: str):
    fixed = ["--models-dir", str(models_dir), "--num-samples", "1000", "--num-seeds", "1"]
    return CliRunner().invoke(app, ["models", "quantise", "fashion-gan", *fixed, *flags])


def test_the_first_layer_and_the_last_convolution_keep_their_precision(models_dir, tmp_path):
    quantisation.quantise(ModelRepository(models_dir).get("fashion-gan"), tmp_path / "int8.onnx")
    nodes = onnx.load(tmp_path / "int8.onnx").graph.node
    made = {output: node.op_type for node in nodes for output in node.output}
    kinds = {node.output[0]: {made.get(name) for name in node.input[:2]} for node in nodes if node.op_type == "Conv"}
    assert sum(inputs == {"DequantizeLinear"} for inputs in kinds.values()) == 8
    assert kinds["conv2d"] == {"Relu", None}
    assert all(made.get(name) != "DequantizeLinear" for node in nodes if node.op_type == "Gemm" for name in node.input)


def test_a_name_that_no_model_may_have_is_refused_before_the_work(models_dir):
    result = run(models_dir, "--out", "Fast GAN")
    assert result.exit_code == 1
    assert "--out is 'Fast GAN'; accepted: 1 to 64 of" in " ".join(result.output.split())


def test_a_model_that_bears_it_is_written_with_its_loss(models_dir):
    result = run(models_dir, "--max-loss", "0.1")
    assert result.exit_code == 0, result.output
    model = ModelRepository(models_dir).get("fashion-gan-int8")
    model.verify_files()
    assert "in int8: FID " in model.spec.description
    ratio = model.spec.description.rpartition("FID ")[2].split()[0]
    assert f"FID {ratio} times that of the original" in result.output
    assert ratio in (models_dir / "fashion-gan-int8" / "README.md").read_text()
    settings = tiny_settings(models_dir, models=["fashion-gan-int8"])
    assert load_image_model(model, settings, GanMetrics(new_registry())).description.num_classes == 10
    again = run(models_dir)
    assert again.exit_code == 1
    assert "is there already" in again.output


def test_a_model_that_loses_much_is_refused_and_said_to(models_dir, monkeypatch):
    def spoil(model, target):
        write_narrowed(model.path("generator.onnx"), target, factor=0.25)

    monkeypatch.setattr(quantisation, "quantise", spoil)
    result = run(models_dir)
    assert result.exit_code == 1
    assert "times that of the original" in result.output
    assert "not written" in result.output
    assert not (models_dir / "fashion-gan-int8").exists()


def test_a_generator_without_transposed_convolutions_is_refused_by_name(tmp_path):
    write_repository(tmp_path / "models")
    with pytest.raises(ModelError, match=r"generator\.onnx: has no transposed convolution"):
        quantisation.quantise(ModelRepository(tmp_path / "models").get("tiny"), tmp_path / "int8.onnx")
