"""An evaluation from beginning to end: draw through the gateway, measure, write down. Knows no terminal."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.errors import InvalidArgument
from runtime.models import Model
from tandem.client import AsyncTandemClient
from tandem.measure.quality import evaluation
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
from tandem.measure.quality.judge import Judge, judge_model, weights_of
from tandem.measure.quality.model_verdict import own_verdict
from tandem.measure.quality.reconstruction import psnr, reconstructed
from tandem.measure.quality.reference import MIN_PER_CLASS, Reference, Split, fashion_mnist, from_file
from tandem.measure.quality.yardstick import Yardstick
from tandem.measure.results.quality import Views


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
    """Evaluate a model behind the gateway at `address`, write the results into `folder`, return the record.

    `advance` is told how many more images there are. Raises TandemError, ModelError or TandemRpcError.
    """
    judge = judge_model(protocol.judge)
    weights, digest = weights_of(judge)
    reference = fashion_mnist() if protocol.reference is None else from_file(protocol.reference)
    names = class_names(judge, reference)
    labels = balanced_labels(protocol.num_samples, reference.num_classes)
    yardstick = Yardstick(Judge(weights), reference)
    model, images, own = asyncio.run(_drawn(protocol, address, labels, reference, advance))
    restored = None if protocol.model is None else reconstructed(protocol.model, reference.test.images)
    tokenizer = None if restored is None else yardstick.views(restored)
    if restored is not None and tokenizer is not None:
        own |= tokenizer_verdict(reference.test.images, restored, tokenizer)
    result = evaluation.evaluate(images, yardstick, tokenizer)
    subject = evaluation.Subject(
        name=protocol.name,
        paradigm=paradigm_of(model),
        weights_sha256={} if protocol.model is None else protocol.model.weight_digests(),
        sampling=settings_of(model, protocol.sampling),
        seed=protocol.sampling.seed,
        seeds=SEEDS[paradigm_of(model)],
        own_verdict=own,
    )
    found = evaluation.record(result, subject, reference, {"name": judge.name, "sha256": digest}, names)
    evaluation.write(folder, result, images, reference, found)
    return found


def tokenizer_verdict(images: npt.NDArray[np.uint8], restored: npt.NDArray[np.uint8], views: Views) -> dict[str, float]:
    """Return what is lost of test images [N, H, W] on their way to tokens and back.

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


async def _drawn(
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
        return model, images, await own_verdict(client, model, reference.test, images, protocol.sampling.steps)
