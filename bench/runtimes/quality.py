"""The quality of what each contender draws, against what the file itself draws in float32: the ratio of their FIDs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.quality.distances import Features, frechet_distance
from bench.quality.judge import Judge, judge_model, weights_of
from bench.quality.protocol import balanced_labels
from bench.quality.reference import fashion_mnist
from runtime.models import ImageSpec
from services.common.images import to_uint8
from services.gan.generator import Generator, Latents
from services.gan.latents import draw_latents

BATCH_SIZE = 64
JUDGE = Path("models/fashion-judge")


class Yardstick:
    """Measures generators of 28x28 Fashion-MNIST by the judge. Raises what `judge_model` and `fashion_mnist` raise."""

    def __init__(self, judge: Path = JUDGE) -> None:
        self._judge = Judge(weights_of(judge_model(judge))[0])
        reference = fashion_mnist()
        self._num_classes = reference.num_classes
        self._expected: Features = self._judge.look(reference.test.images)[1]

    def fid(self, generator: Generator, spec: ImageSpec, seed: int, num_images: int) -> float:
        """Return the FID of images drawn from latents (seed, 0) on, as many of each class."""
        labels = balanced_labels(num_images, self._num_classes)
        images = np.concatenate(list(_drawn(generator, spec, seed, labels)))
        return frechet_distance(self._judge.look(images)[1], self._expected)


def fids(
    generators: dict[str, Generator], spec: ImageSpec, seeds: Sequence[int], num_images: int
) -> dict[str, list[float]]:
    """Return the FID of each generator at each seed."""
    yardstick = Yardstick()
    return {name: [yardstick.fid(each, spec, seed, num_images) for seed in seeds] for name, each in generators.items()}


def _drawn(
    generator: Generator, spec: ImageSpec, seed: int, labels: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.uint8]]:
    for start in range(0, len(labels), BATCH_SIZE):
        part = labels[start : start + BATCH_SIZE]
        latents = Latents(draw_latents(seed, start, len(part), spec.latent_dim), part if spec.class_names else None)
        yield to_uint8(generator.draw(latents), spec.value_range)[..., 0]
