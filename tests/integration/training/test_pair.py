"""A pair of one's own: each training for a few steps on images in colour; what is exported draws, judges and scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.quality.judge import open_judge
from tandem.measure.quality.reconstruction import reconstruct
from tandem.measure.quality.reference import from_file
from tandem.measure.quality.yardstick import Yardstick
from tandem.shared.models import ModelRepository
from tests.integration.services.ar.conftest import serving
from tests.integration.services.gan.conftest import running_backend, tiny_settings
from training import pair

HEIGHT, WIDTH = 12, 11  # the last column of cells is cut off
NAMES = ("disc", "square", "cross")
EFFORT = "0.0003"


def shapes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images [N, HEIGHT, WIDTH, 3] of a disc, a square or a cross of some colour and size, and their labels."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % len(NAMES)
    down, right = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    images = np.zeros((count, HEIGHT, WIDTH, 3), np.uint8)
    for image, label in zip(images, labels, strict=True):
        radius, (y, x) = random.uniform(2.0, 4.5), random.uniform(4, 8, 2)
        away = (np.abs(down - y), np.abs(right - x))
        inside = (np.hypot(*away) < radius, np.maximum(*away) < radius, np.minimum(*away) < radius / 3)[label]
        image[inside] = random.integers(60, 256, 3)
    return images, labels


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images, labels = shapes(240)
    path = tmp_path_factory.mktemp("pair") / "shapes.npz"
    np.savez(path, images=images, labels=labels, names=np.array(NAMES))
    return path


@pytest.fixture(scope="module")
def models(data: Path) -> Path:
    models, runs, threads = data.parent / "models", data.parent / "runs", torch.get_num_threads()
    words = ["--data", data, "--models", models, "--runs", runs, "--effort", EFFORT, "--parts", *pair.PARTS]
    pair.main([str(word) for word in words])
    torch.set_num_threads(threads)
    return models


@pytest.mark.parametrize(("name", "steps"), [("shapes-ar", None), ("shapes-sar", 5)])
async def test_the_sequential_models_draw_and_score(models: Path, data: Path, name: str, steps: int | None) -> None:
    reference = from_file(data)
    pixels, labels = reference.test.images[::20], reference.test.labels[::20]
    batch = images_pb2.ImageBatch(shape=pixels.shape, data=pixels.tobytes())
    async with serving(ArSettings(models_dir=models, models=[name], device="cpu")) as backend:
        *_, last = await backend.generate(
            ar_pb2.GenerateRequest(class_label=2, sampling=ar_pb2.SamplingParams(seed=1, steps=steps))
        )
        content = ar_pb2.ImageContent(images=batch, labels=labels.tolist())
        scored = await backend.stub.Score(ar_pb2.ScoreRequest(images=content, steps=steps))
    assert list(last.image.shape) == [1, HEIGHT, WIDTH, 3]
    assert [len(likelihood.tokens) for likelihood in scored.likelihoods] == [6 * 6] * len(pixels)
    assert all(1 < each.bits_per_token < 12 for each in scored.likelihoods)  # 9 is a guess among all codes


async def test_the_generator_draws_and_its_discriminator_scores(models: Path) -> None:
    async with running_backend(tiny_settings(models, models=["shapes-gan"])) as backend:
        drawn = await backend.stub.Sample(gan_pb2.SampleRequest(labels=[0, 2], count=2, seed=1))
        verdict = await backend.stub.Discriminate(gan_pb2.DiscriminateRequest(images=drawn.images, labels=[0, 2]))
    assert list(drawn.images.shape) == [2, HEIGHT, WIDTH, 3]
    assert len(set(verdict.scores)) == 2


def test_the_judge_measures_images_in_colour_in_every_view(models: Path, data: Path) -> None:
    reference = from_file(data)
    judge, entry, _ = open_judge(models / "shapes-judge")
    assert entry.spec.image is not None
    assert entry.spec.image.class_names == NAMES
    yardstick = Yardstick(judge, reference)
    restored = reconstruct(ModelRepository(models).get("shapes-ar"), reference.test.images)
    assert restored is not None
    assert restored.shape == reference.test.images.shape
    same, lost = yardstick.views(reference.test.images), yardstick.views(restored)
    for view in ("judge", "pixels", "gradients"):
        assert getattr(same, view).value < 1e-3 < getattr(lost, view).value
