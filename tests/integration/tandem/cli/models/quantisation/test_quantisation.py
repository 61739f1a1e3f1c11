"""`tandem models quantise` on the committed model: what it changes, what it measures, and that it hides no loss."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from runtime.metrics import new_registry
from services.gan.image_model import load_image_model
from services.gan.metrics import GanMetrics
from tandem.cli.main import app
from tandem.cli.models.collapse.models import write_narrowed
from tandem.cli.models.quantisation import int8_form, quantisation
from tandem.measure.quality.fashion_mnist import DEFAULT_FOLDER, load_split
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import ModelError, ModelRepository
from tests.integration.services.gan.conftest import tiny_settings
from tests.integration.services.gan.tiny_onnx import write_repository

MODELS = Path(__file__).parents[6] / "models"

pytestmark = pytest.mark.skipif(not DEFAULT_FOLDER.exists(), reason="needs the package dataset-fashion-mnist")


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Path:
    """A tenth of the images: to look at all of them takes longer than all else here."""
    splits = {split: load_split(split) for split in ("train", "test")}
    arrays = {f"{split}_images": images[:1000] for split, (images, _) in splits.items()}
    arrays |= {f"{split}_labels": labels[:1000] for split, (_, labels) in splits.items()}
    path = tmp_path_factory.mktemp("reference") / "few.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture
def models_dir(tmp_path):
    for name in ("fashion-gan", "fashion-judge"):
        shutil.copytree(MODELS / name, tmp_path / "models" / name)
    # The released model has its form in int8 already.
    toml = tmp_path / "models" / "fashion-gan" / "model.toml"
    toml.write_text(int8_form.without_int8_form(toml.read_text()))
    (tmp_path / "models" / "fashion-gan" / "generator-int8.onnx").unlink(missing_ok=True)
    return tmp_path / "models"


def run(models_dir: Path, reference: Path, *flags: str):
    fixed = ["--models-dir", str(models_dir), "--reference", str(reference), "--num-samples", "500", "--num-seeds", "1"]
    return CliRunner().invoke(app, ["models", "quantise", "fashion-gan", *fixed, *flags])


def test_the_first_layer_and_the_last_convolution_keep_their_precision(models_dir, tmp_path):
    quantisation.quantise(ModelRepository(models_dir).get("fashion-gan"), tmp_path / "int8.onnx")
    nodes = onnx.load(tmp_path / "int8.onnx").graph.node
    made = {output: node.op_type for node in nodes for output in node.output}
    kinds = {node.output[0]: {made.get(name) for name in node.input[:2]} for node in nodes if node.op_type == "Conv"}
    assert sum(inputs == {"DequantizeLinear"} for inputs in kinds.values()) == 8
    assert kinds["conv2d"] == {"Relu", None}
    assert all(made.get(name) != "DequantizeLinear" for node in nodes if node.op_type == "Gemm" for name in node.input)


def test_a_model_that_bears_it_gets_the_form_and_its_loss_and_another_generator_needs_it_anew(models_dir, reference):
    before = (models_dir / "fashion-gan" / "model.toml").read_text()
    result = run(models_dir, reference, "--max-loss", "0.1")
    assert result.exit_code == 0, result.output
    assert (models_dir / "fashion-gan" / "model.toml").read_text().startswith(before.rstrip())
    model = ModelRepository(models_dir).get("fashion-gan")
    model.verify_files()
    int8 = model.spec.int8
    assert int8.num_images == 500
    assert f"FID {int8.fid[0] / int8.float32_fid[0]:.3f}"[:8] in result.output
    assert model.weight_digests()["generator-int8.onnx"] == int8.sha256
    for precision in ("int8", "float32"):
        settings = tiny_settings(models_dir, models=["fashion-gan"], precision=precision)
        loaded = load_image_model(model, settings, GanMetrics(new_registry()))
        assert loaded.opened.configuration.precision == precision
    again = run(models_dir, reference)
    assert again.exit_code == 1
    assert "is in int8 already" in " ".join(again.output.split())
    folder = models_dir / "fashion-gan"
    generator, toml = folder / "generator.onnx", folder / "model.toml"
    old = sha256_of(generator)
    write_narrowed(generator, generator, factor=0.9)
    new, _, table = toml.read_text().partition("[int8]")
    toml.write_text(f"{new.replace(old, sha256_of(generator))}[int8]{table}")
    with pytest.raises(ModelError, match=r"generator-int8.onnx was made of another generator.onnx; `tandem models"):
        ModelRepository(models_dir).get("fashion-gan").verify_files()
    assert run(models_dir, reference, "--max-loss", "0.5").exit_code == 0
    ModelRepository(models_dir).get("fashion-gan").verify_files()
    assert toml.read_text().count("[int8]") == 1


def test_a_model_that_loses_much_is_refused_and_said_to(models_dir, reference, monkeypatch):
    def spoil(model, target):
        write_narrowed(model.path("generator.onnx"), target, factor=0.25)

    monkeypatch.setattr(quantisation, "quantise", spoil)
    result = run(models_dir, reference)
    assert result.exit_code == 1
    assert "times that of float32" in result.output
    assert "not added" in result.output
    assert not (models_dir / "fashion-gan" / "generator-int8.onnx").exists()


def test_a_generator_without_transposed_convolutions_is_refused_by_name(tmp_path):
    write_repository(tmp_path / "models")
    with pytest.raises(ModelError, match=r"generator\.onnx: has no transposed convolution"):
        quantisation.quantise(ModelRepository(tmp_path / "models").get("tiny"), tmp_path / "int8.onnx")
