"""What a model itself says of images: the right images are asked about, and the figures are right."""

from types import SimpleNamespace

import numpy as np
import pytest

from tandem.client import ParallelModel, SequentialModel
from tandem.measure.quality.model_verdict import own_verdict
from tandem.measure.quality.reference import Split


def split(level: int) -> Split:
    """Return 300 flat images of a brightness, three classes."""
    return Split(np.full((300, 2, 2), level, np.uint8), np.arange(300) % 3)


class Discriminating:
    """Scores an image by its brightness, less ten times its label."""

    async def discriminate(self, images, *, labels, model):
        return SimpleNamespace(scores=images[:, 0, 0] - 10.0 * np.array(labels))


class Scoring:
    """An image costs as many bits a token as its first pixel says; remembers how many were asked about."""

    def __init__(self):
        self.num_images = 0

    async def score_images(self, images, labels, *, model, steps):
        self.num_images += len(images)
        return [SimpleNamespace(bits_per_token=float(image[0, 0])) for image in images]


def parallel(has_discriminator: bool) -> ParallelModel:
    return ParallelModel("gan", "MIT", (2, 2, 1), 4, 3, (), (-1.0, 1.0), (), 64, has_discriminator)


SEQUENTIAL = SequentialModel("ar", "image", "MIT", 1, 5, 9, 3, "cpu", "float32", (2, 2, 1), (), 4, (-1.0, 1.0), True)


async def test_auc_of_a_discriminator_that_is_always_right():
    found = await own_verdict(Discriminating(), parallel(True), split(200), split(100))
    assert found["discriminator_auc"] == 1.0
    # The wrong labels are the same ones, dealt out otherwise.
    assert found["discriminator_auc_wrong_label"] == pytest.approx(0.5)
    assert found["num_of_each_kind"] == 300


async def test_likelihoods_of_a_sequential_model():
    client = Scoring()
    found = await own_verdict(client, SEQUENTIAL, split(3), split(2))
    assert found["bits_per_token_test_images"] == 3.0
    assert found["bits_per_token_own_images"] == 2.0
    assert 100 < found["bits_per_token_noise"] < 155
    assert client.num_images == 900
