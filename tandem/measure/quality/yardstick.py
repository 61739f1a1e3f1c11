"""All the figures of one set of images, and the same for real ones. Knows nothing of who made the images."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.measure.quality.distances import Features, distance, kernel_distance, normals_of, variance
from tandem.measure.quality.judge import Judge
from tandem.measure.quality.manifold import Manifold
from tandem.measure.quality.reference import Reference, Split
from tandem.measure.quality.views import Distances
from tandem.measure.results.comparison import JudgedImages
from tandem.measure.results.quality import ClassQuality, Nearness, Quality, Views
from tandem.measure.statistics.quantiles import nearest_rank

UNSEEN_SHARE = 0.01
"""Of real images never trained on, so many count as memorised."""


@dataclass(frozen=True, eq=False)
class Nearest:
    """For each of N images the nearest other one: its `distances` [N] (L2 of values 0 to 255) and `indices` [N]."""

    distances: npt.NDArray[np.float64]
    indices: npt.NDArray[np.int64]


def nearest(images: npt.NDArray[np.uint8], others: npt.NDArray[np.uint8]) -> Nearest:
    """Find the nearest of `others` [M, ...] for each of `images` [N, ...]; exact, so the same on every machine."""
    a, b = _flat(images), _flat(others)
    # The squares are whole numbers far below 2^53: no order of summation can change them.
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * (a @ b.T)
    indices = squares.argmin(axis=1)
    return Nearest(np.sqrt(np.take_along_axis(squares, indices[:, None], axis=1)[:, 0]), indices)


def _flat(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    return images.reshape(len(images), -1).astype(np.float64)


class Floor(NamedTuple):
    """Real images, and what they get."""

    images: Split
    quality: Quality
    views: Views


class Yardstick:
    """Measures sets of images against one reference, with one judge. What the reference needs is computed once."""

    def __init__(self, judge: Judge, reference: Reference) -> None:
        self._judge = judge
        self._reference = reference
        _, self._test_features = judge.classify(reference.test.images)
        self._manifold = Manifold(self._test_features)
        unseen = self.nearest_training_images(reference.test)
        self._distances = Distances(
            lambda images: judge.classify(images)[1], reference.train.images, reference.test.images
        )
        self._thresholds = [nearest_rank(found.distances, UNSEEN_SHARE) for found in unseen]

    def nearest_training_images(self, images: Split) -> list[Nearest]:
        """Return, class by class, the nearest training image of the same class for each image."""
        train = self._reference.train
        return [nearest(images.of_class(label), train.of_class(label)) for label in range(self._reference.num_classes)]

    def judge(self, images: Split, neighbours: list[Nearest], floor: Floor, tokenizer: Views | None) -> JudgedImages:
        """Return all that there is to say of generated images; `neighbours` is what `nearest_training_images` found,
        `tokenizer` the views of what the model's tokenizer gives back, if it has one.
        """
        memorised = [
            float((found.distances <= threshold).mean())
            for found, threshold in zip(neighbours, self._thresholds, strict=True)
        ]
        views = Nearness(model=self.views(images.images), floor=floor.views, tokenizer=tokenizer)
        return JudgedImages(model=self._quality(images, memorised, views.model), floor=floor.quality, views=views)

    def floor(self, num_per_class: int) -> Floor:
        """Return what real images get: training images, the first ones of each class, put through the same.

        All of them are memorised in the trivial sense, so for that figure the floor is the test images' own.
        """
        num_classes = self._reference.num_classes
        images = self._reference.train.balance(num_per_class, num_classes)
        views = self.views(images.images)
        return Floor(images, self._quality(images, [UNSEEN_SHARE] * num_classes, views), views)

    def views(self, images: npt.NDArray[np.uint8]) -> Views:
        """Return the distances of images in each view; in the order of their classes."""
        return self._distances.to(images)

    def _quality(self, images: Split, memorised: list[float], views: Views) -> Quality:
        guesses, features = self._judge.classify(images.images)
        hits = guesses == images.labels
        classes = tuple(
            self._class_quality(label, features[images.labels == label], hits[images.labels == label], share)
            for label, share in enumerate(memorised)
        )
        kid, kid_std = kernel_distance(features, self._test_features)
        sizes = [int((images.labels == label).sum()) for label in range(len(classes))]
        return Quality(
            num_images=len(hits),
            fid=views.judge.value,
            kid=kid,
            kid_std=kid_std,
            accuracy=float(hits.mean()),
            **vars(self._manifold.overlap(features)),
            worst_class_fid=max(row.fid for row in classes),
            memorised=float(np.average(memorised, weights=sizes)),
            worst_class_memorised=max(memorised),
            classes=classes,
        )

    def _class_quality(
        self, label: int, features: Features, hits: npt.NDArray[np.bool_], memorised: float
    ) -> ClassQuality:
        real = self._test_features[self._reference.test.labels == label]
        return ClassQuality(
            fid=distance(features, normals_of(real)).value,
            accuracy=float(hits.mean()),
            variance_ratio=variance(features) / variance(real),
            memorised=memorised,
        )
