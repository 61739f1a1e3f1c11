"""The quality of what each contender draws, against what the file itself draws in float32: the ratio of their FIDs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.common.images.encoding import to_uint8
from services.gan.generator import Generator, Latents
from services.gan.latents import draw_latents
from tandem.measure.quality.distances import Features, frechet_distance
from tandem.measure.quality.judge import Judge, judge_model, weights_of
from tandem.measure.quality.protocol import balanced_labels
from tandem.measure.quality.reference import reference_of, without_grey_axis
from tandem.shared.model_spec import ImageSpec

BATCH_SIZE = 64


class FidMeter:
    """Measures how far a generator's images are from the reference's test images, in the features of a judge."""

    def __init__(self, judge: Path, reference: Path | None = None) -> None:
        """`judge` is the folder of the judge's model, `reference` an .npz file, None for Fashion-MNIST.

        Raises InvalidArgument, ModelError, NotFound or FileNotFoundError if they are not what they should be.
        """
        self._judge = Judge(weights_of(judge_model(judge))[0])
        images = reference_of(reference)
        self._num_classes = images.num_classes
        self._expected: Features = self._judge.classify(images.test.images)[1]

    def fid(self, generator: Generator, spec: ImageSpec, seed: int, num_images: int) -> float:
        """Return the FID of images drawn from latents (seed, 0) on, as many of each class. Raises InvalidArgument."""
        labels = balanced_labels(num_images, self._num_classes)
        images = np.concatenate(list(_drawn(generator, spec, seed, labels)))
        return frechet_distance(self._judge.classify(images)[1], self._expected)


def _drawn(
    generator: Generator, spec: ImageSpec, seed: int, labels: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.uint8]]:
    for start in range(0, len(labels), BATCH_SIZE):
        part = labels[start : start + BATCH_SIZE]
        latents = Latents(draw_latents(seed, start, len(part), spec.latent_dim), part if spec.class_names else None)
        yield without_grey_axis(to_uint8(generator.draw(latents), spec.value_range))
