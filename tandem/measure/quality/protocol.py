"""An evaluation from beginning to end: draw through the gateway, measure, write down. Knows no terminal."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.client import AsyncTandemClient
from tandem.measure.quality.distances import KERNEL_SUBSET_SIZE, KERNEL_SUBSETS
from tandem.measure.quality.drawing import (
    SEEDS,
    Advance,
    ImageModel,
    Sampling,
    draw,
    find_model,
    paradigm_of,
    settings_of,
)
from tandem.measure.quality.figure import Pair, save_figure
from tandem.measure.quality.gates import verdicts
from tandem.measure.quality.judge import open_judge
from tandem.measure.quality.manifold import NUM_NEIGHBOURS
from tandem.measure.quality.model_verdict import own_verdict
from tandem.measure.quality.reconstruction import psnr, reconstruct
from tandem.measure.quality.reference import MIN_PER_CLASS, Reference, Split, reference_of
from tandem.measure.quality.yardstick import Nearest, Yardstick
from tandem.measure.results.quality import Views
from tandem.shared.errors import InvalidArgument
from tandem.shared.models import Model

_DIGITS = 5

NOTES = {
    "floor": "training images, the first of each class, put through the same metrics",
    "memorised": "share that lies nearer to a training image of its class (pixels, L2) than all but 1 % of the test"
    " images do; the floor is the test images' own, as training images are trivially memorised",
    "variance_ratio": "trace of the features' covariance, against that of the test images of the class",
    "kid": f"unbiased, kernel (x y / F + 1)^3, {KERNEL_SUBSETS} subsets of {KERNEL_SUBSET_SIZE} (all if fewer)",
    "own_verdict": "AUC: the chance that a test image gets a higher score of the discriminator than a generated one, or"
    " than itself with a wrong label; bits per token: of an image's tokens given its class, under a sequential model;"
    " reconstruction: test images to tokens and back",
    "fid": "all Fréchet distances are extrapolated to infinitely many images, generated and real, by a jackknife over"
    " tenths, whose mean is free of a bias in 1 / N (Chong and Forsyth 2020 fit a line over 1 / N); real images have 0",
    "views": "Fréchet distances to the test images with 95 % intervals, by the same jackknife; judge: FID; pixels:"
    " 64 principal components of the training images, values 0 to 1; gradients: HOG (Dalal and Triggs 2005) of 4x4"
    " cells, 9 orientations, blocks of 2x2 cells; tokenizer: test images to tokens and back",
    "precision, recall, density, coverage": f"prdc, k = {NUM_NEIGHBOURS}, all images",
}


@dataclass(frozen=True)
class Protocol:
    """What to evaluate and how. `judge` is the folder of the judge's model; `reference` an .npz file, None for
    Fashion-MNIST; `model` the entry of the repository here, None if there is none."""

    name: str
    num_samples: int
    sampling: Sampling
    judge: Path
    reference: Path | None
    model: Model | None


def run(protocol: Protocol, address: str, folder: Path, advance: Advance) -> dict[str, Any]:
    """Evaluate a model behind the gateway at `address`; write evaluation.json and evaluation.png into `folder`, and
    return the record.

    `advance` is told how many more images there are. Raises TandemError, ModelError or TandemRpcError.
    """
    judge, entry, digest = open_judge(protocol.judge)
    reference = reference_of(protocol.reference)
    names = class_names(entry, reference)
    labels = balanced_labels(protocol.num_samples, reference.num_classes)
    yardstick = Yardstick(judge, reference)
    model, images, own = asyncio.run(_draw_images(protocol, address, labels, reference, advance))
    restored = None if protocol.model is None else reconstruct(protocol.model, reference.test.images)
    tokenizer = None if restored is None else yardstick.views(restored)
    if restored is not None and tokenizer is not None:
        own |= tokenizer_verdict(reference.test.images, restored, tokenizer)
    neighbours = yardstick.nearest_training_images(images)
    floor = yardstick.floor(len(images.labels) // len(neighbours))
    subject = _subject(protocol, model, own) | {
        "data_set": reference.name,
        "num_test_images": len(reference.test.labels),
        "judge": {"name": entry.name, "sha256": digest},
        "class_names": names,
    }
    text = json.dumps(subject | yardstick.judge(images, neighbours, floor, tokenizer).model_dump())
    found: dict[str, Any] = json.loads(text, parse_float=lambda number: round(float(number), _DIGITS))
    found["gates"] = verdicts(protocol.name, found["model"] | found["own_verdict"])
    found["notes"] = NOTES
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps(found, indent=1) + "\n")
    save_figure(folder / "evaluation.png", found, images, _nearest_pairs(images, reference, neighbours))
    return found


def _subject(protocol: Protocol, model: ImageModel, own_verdict: dict[str, float]) -> dict[str, Any]:
    """Return what was evaluated and how it was drawn, as the record tells it.

    `own_verdict`: what the model itself says of images, see `quality.model_verdict`, and what its tokenizer loses.
    """
    return {
        "name": protocol.name,
        "paradigm": paradigm_of(model),
        "weights_sha256": {} if protocol.model is None else protocol.model.weight_digests(),
        "sampling": settings_of(model, protocol.sampling),
        "seed": protocol.sampling.seed,
        "seeds": SEEDS[paradigm_of(model)],
        "own_verdict": own_verdict,
    }


def tokenizer_verdict(images: npt.NDArray[np.uint8], restored: npt.NDArray[np.uint8], views: Views) -> dict[str, float]:
    """Return what is lost of test images on their way to tokens and back.

    Where nothing is lost there is no signal-to-noise ratio: JSON has no infinity.
    """
    verdict = {"reconstruction_fid": views.judge.value}
    if not np.array_equal(images, restored):
        verdict["reconstruction_psnr"] = psnr(images, restored)
    return verdict


def class_names(judge: Model, reference: Reference) -> tuple[str, ...]:
    """Return the names that the judge has for the reference's classes, their numbers if it has none."""
    names = judge.spec.image.class_names if judge.spec.image is not None else ()
    if names and len(names) != reference.num_classes:
        accepted = f"a judge of {reference.num_classes} classes, as {reference.name} has; it has {len(names)}"
        raise InvalidArgument("judge", judge.name, accepted)
    return names or tuple(str(label) for label in range(reference.num_classes))


def balanced_labels(num_samples: int, num_classes: int) -> npt.NDArray[np.int64]:
    """Return `num_samples` labels in the order of the classes, as many of each. Raises InvalidArgument."""
    if num_samples % num_classes or num_samples < MIN_PER_CLASS * num_classes:
        accepted = f"a multiple of {num_classes}, as there are so many classes, from {MIN_PER_CLASS * num_classes} on"
        raise InvalidArgument("num-samples", num_samples, accepted)
    return np.repeat(np.arange(num_classes), num_samples // num_classes)


async def _draw_images(
    protocol: Protocol, address: str, labels: npt.NDArray[np.int64], reference: Reference, advance: Advance
) -> tuple[ImageModel, Split, dict[str, Any]]:
    async with AsyncTandemClient(address) as client:
        model = await find_model(client, protocol.name)
        if model.num_classes != reference.num_classes:
            accepted = (
                f"a model of {reference.num_classes} classes, as {reference.name} has; it has {model.num_classes}"
            )
            raise InvalidArgument("model", model.name, accepted)
        images = Split(await draw(client, model, labels, protocol.sampling, advance), labels)
        if images.images.shape[1:] != reference.test.images.shape[1:]:
            shapes = [list(split.images.shape[1:]) for split in (images, reference.test)]
            raise InvalidArgument(
                "model", f"{model.name} of images {shapes[0]}", f"images {shapes[1]}, as the reference's"
            )
        return model, images, await own_verdict(client, model, reference.test, images, protocol.sampling.steps)


def _nearest_pairs(images: Split, reference: Reference, neighbours: list[Nearest]) -> list[Pair]:
    """Return, for each class, its most suspect image: the one that lies nearest to a training image, and that one."""
    pairs = []
    for label, found in enumerate(neighbours):
        suspect = int(found.distances.argmin())
        twin = reference.train.of_class(label)[found.indices[suspect]]
        pairs.append((images.of_class(label)[suspect], twin))
    return pairs
