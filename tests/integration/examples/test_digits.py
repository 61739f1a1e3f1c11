"""The worked example of docs/your-own-pair.md, hardly trained: what it writes is served, scored and measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the digits come with scikit-learn: needs the extra `quality`")
pytest.importorskip("onnxscript", reason="writing ONNX files needs the extra `training`")

from examples.digits import autoregressive, picture, train
from examples.digits.data import load, save_reference
from runtime.models import ModelRepository
from services.ar.compute.torch.transformer import Transformer
from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.quality.judge import Judge, judge_model, weights_of
from tandem.measure.quality.reference import from_file
from tests.integration.services.ar.conftest import serving
from tests.integration.services.gan.conftest import running_backend, tiny_settings

STEPS = 5
SHAPE = [1, 8, 8, 1]


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("digits")


@pytest.fixture(scope="module")
def transformer(models_dir: Path) -> Transformer:
    return train.add_autoregressive(models_dir, load()[0], STEPS, seed=0)


async def test_the_transformer_is_served_and_scores_digits_as_the_training_does(
    models_dir: Path, transformer: Transformer
) -> None:
    _, test = load()
    tokens = autoregressive.sequences(test)[:3]
    expected = [autoregressive.bits_per_token(transformer, each.unsqueeze(0)).item() for each in tokens]
    settings = ArSettings(models_dir=models_dir, models=["digits-ar"], device="cpu")
    async with serving(settings) as backend:
        *_, last = await backend.generate(ar_pb2.GenerateRequest(class_label=7))
        assert list(last.image.shape) == SHAPE
        pixels = test.pixels()[:3, ..., None]
        batch = images_pb2.ImageBatch(shape=pixels.shape, data=pixels.tobytes())
        content = ar_pb2.ImageContent(images=batch, labels=test.labels[:3].tolist())
        response = await backend.stub.Score(ar_pb2.ScoreRequest(images=content))
    assert [each.bits_per_token for each in response.likelihoods] == pytest.approx(expected, abs=1e-3)
    assert [token.token_id for token in response.likelihoods[0].tokens] == tokens[0, 1:].tolist()


async def test_the_generator_is_served_with_its_discriminator(models_dir: Path) -> None:
    train.add_gan(models_dir, load()[0], STEPS, seed=0)
    async with running_backend(tiny_settings(models_dir, models=["digits-gan"])) as backend:
        drawn = await backend.stub.Sample(gan_pb2.SampleRequest(labels=[7], seed=1))
        verdict = await backend.stub.Discriminate(gan_pb2.DiscriminateRequest(images=drawn.images, labels=[7]))
    assert list(drawn.images.shape) == SHAPE
    assert len(verdict.scores) == 1


def test_the_evaluation_takes_the_judge_and_the_digits(models_dir: Path) -> None:
    digits, test = load()
    train.add_judge(models_dir, digits, STEPS, seed=0)
    save_reference(digits, test, models_dir / "digits.npz")
    path, _ = weights_of(judge_model(models_dir / "digits-judge"))
    guesses, features = Judge(path).look(from_file(models_dir / "digits.npz").test.images)
    assert len(guesses) == len(features) == len(test.labels)
    assert ModelRepository(models_dir).get("digits-judge").spec.image is not None


def test_the_picture_has_a_titled_grid_for_each(tmp_path: Path) -> None:
    rows = [np.zeros((picture.COLUMNS, 8, 8, 1), np.uint8)] * 10
    figure = picture.side_by_side({"real": rows, "drawn": rows})
    assert [axes.get_title() for axes in figure.axes] == ["real", "drawn"]
    assert [axes.images[0].get_array().shape for axes in figure.axes] == [(98, 98)] * 2
    figure.savefig(tmp_path / "picture.png")
