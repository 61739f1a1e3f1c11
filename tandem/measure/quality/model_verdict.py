"""What a model itself says of images, asked through the gateway: a discriminator's scores, or likelihoods.

Knows no judge. The images asked about are the first of each class of a set, so that rows of two sets belong together.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from tandem.client import AsyncTandemClient, SequentialModel
from tandem.measure.quality.drawing import ImageModel
from tandem.measure.quality.reference import Split

NUM_PER_CLASS = 200
SLICE = 500


async def own_verdict(
    client: AsyncTandemClient, model: ImageModel, test: Split, generated: Split, steps: int | None = None
) -> dict[str, Any]:
    """Return the model's own figures by name, empty if it has none to give; likelihoods as for so many `steps`."""
    real, made = (images.balance(NUM_PER_CLASS, model.num_classes) for images in (test, generated))
    if isinstance(model, SequentialModel):
        return await _likelihoods(client, model, real, made, steps) if model.can_score_images else {}
    if model.has_discriminator:
        return await _discrimination(client, model.name, real, made)
    return {}


async def _discrimination(client: AsyncTandemClient, name: str, real: Split, made: Split) -> dict[str, Any]:
    """Return how well the discriminator's score tells test images from generated ones, and from ones wrongly labelled.

    AUC: the chance that the first of such a pair has the higher score; 0.5 is guessing.
    """
    wrong = Split(real.images, (real.labels + 1) % (real.labels.max() + 1))
    scores = {
        key: await _scores(client, name, images) for key, images in (("real", real), ("made", made), ("wrong", wrong))
    }
    return {
        "num_of_each_kind": len(real.labels),
        "discriminator_auc": _auc(scores["real"], scores["made"]),
        "discriminator_auc_wrong_label": _auc(scores["real"], scores["wrong"]),
    }


async def _scores(client: AsyncTandemClient, name: str, images: Split) -> npt.NDArray[np.float32]:
    parts = [
        await client.discriminate(
            images.images[i : i + SLICE], labels=images.labels[i : i + SLICE].tolist(), model=name
        )
        for i in range(0, len(images.labels), SLICE)
    ]
    return np.concatenate([part.scores for part in parts])


def _auc(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    truth = np.repeat([1, 0], [len(first), len(second)])
    return float(roc_auc_score(truth, np.concatenate([first, second])))


async def _likelihoods(
    client: AsyncTandemClient, model: SequentialModel, real: Split, made: Split, steps: int | None
) -> dict[str, Any]:
    """Return bits a token of test images, of the model's own, and of noise."""
    noise = Split(np.random.default_rng(0).integers(0, 256, real.images.shape, dtype=np.uint8), real.labels)
    found = {
        key: await bits_per_token(client, model.name, images, steps)
        for key, images in (("test_images", real), ("own_images", made), ("noise", noise))
    }
    return {
        "num_of_each_kind": len(real.labels),
        **{f"bits_per_token_{key}": float(bits.mean()) for key, bits in found.items()},
    }


async def bits_per_token(
    client: AsyncTandemClient, name: str, images: Split, steps: int | None = None
) -> npt.NDArray[np.float64]:
    """Return bits a token [N] of images under a sequential model, given their classes, generated in `steps` steps."""
    bits = []
    for i in range(0, len(images.labels), SLICE):
        rows = slice(i, i + SLICE)
        scores = await client.score_images(images.images[rows], images.labels[rows].tolist(), model=name, steps=steps)
        bits += [score.bits_per_token for score in scores]
    return np.array(bits)
