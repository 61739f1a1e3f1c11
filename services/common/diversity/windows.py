"""Whether images still differ as they should: windows of feature vectors against the released model's baseline.

Two failures, two figures. Of a window that varies little the images have grown alike (variance); of a window that has
a pair of one class almost the same, a few images are drawn over and over (duplicates). A ratio of 1 is as released.
Chance gives a poor window now and then, so the alarm takes two in a row. Knows nothing of models, threads or metrics.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from services.common.diversity.baseline import ALL, TruncatedYardstick, Yardstick

Kind = Literal["variance", "duplicates"]
Features = npt.NDArray[np.floating]

WINDOW = 32
MIN_POOR_WINDOWS = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """What one full window of `scope`, a class or all of them, showed."""

    scope: str
    variance_ratio: float
    nearest_ratio: float
    alarms: frozenset[Kind]


class Scope:
    """Gathers the images of one class, or of all classes, into windows.

    Images are compared within their class only. A window is full with WINDOW images beyond the first of each class:
    so many that variance and pairs can be told from however many classes.
    """

    def __init__(self, name: str, baseline: Yardstick, limits: Mapping[Kind, float]) -> None:
        self._name = name
        self._limits = limits
        self._variances = np.array([each.variance for each in baseline.classes])
        self._distances = np.array([each.distance for each in baseline.classes])
        self._images: dict[Hashable, tuple[int, Features]] = {}
        self._num_poor: dict[Kind, int] = dict.fromkeys(self._limits, 0)

    def add(self, key: Hashable, label: int, features: Features) -> Reading | None:
        """Take an image in, unless its key is in the window already; return a reading if that made a window full."""
        self._images.setdefault((label, key), (label, features))
        num_classes = len({label for label, _ in self._images.values()})
        if len(self._images) - num_classes < WINDOW:
            return None
        labels, vectors = zip(*self._images.values(), strict=True)
        self._images.clear()
        return self._reading(np.array(labels), np.stack(vectors).astype(np.float64))

    def _reading(self, labels: npt.NDArray[np.int64], vectors: npt.NDArray[np.float64]) -> Reading:
        squares = squared_distances(vectors)
        same = labels[:, None] == labels
        # Within a class of n images the squared deviations from the mean add up to all squared distances / 2n.
        deviations = (squares * same).sum(axis=1) / (2 * same.sum(axis=1))
        variance_ratio = (deviations / self._variances[labels]).sum() / (len(labels) - len(np.unique(labels)))
        np.fill_diagonal(same, val=False)
        nearest_ratio = (np.sqrt(squares) / self._distances[labels])[same].min()
        ratios: dict[Kind, float] = {"variance": float(variance_ratio), "duplicates": float(nearest_ratio)}
        return Reading(self._name, ratios["variance"], ratios["duplicates"], self._alarms(ratios))

    def _alarms(self, ratios: dict[Kind, float]) -> frozenset[Kind]:
        for kind, ratio in ratios.items():
            self._num_poor[kind] = self._num_poor[kind] + 1 if ratio < self._limits[kind] else 0
        return frozenset(kind for kind, number in self._num_poor.items() if number >= MIN_POOR_WINDOWS)


class DiversityWindows:
    """The windows of each class, which see one class collapse, and those of all together, which are full sooner."""

    def __init__(self, baseline: Yardstick) -> None:
        names = [each.name for each in baseline.classes]
        suffix = f", truncation {baseline.truncation:g}" if isinstance(baseline, TruncatedYardstick) else ""
        self.limits: dict[Kind, float] = {
            "variance": baseline.alarm_variance_ratio,
            "duplicates": baseline.alarm_nearest_ratio,
        }
        self._of_class = [Scope(name + suffix, baseline, self.limits) for name in names]
        # Without classes the two are the same.
        self._of_all = [] if names == [ALL] else [Scope(ALL + suffix, baseline, self.limits)]

    def add(self, key: Hashable, label: int, features: Features) -> list[Reading]:
        """Take in an image of class `label`, 0 for a model without; `key` says which: the same key, the same image.

        A vector that is not finite counts as one of zeros.
        """
        vector = np.nan_to_num(features, posinf=0.0, neginf=0.0)
        readings = [scope.add(key, label, vector) for scope in (self._of_class[label], *self._of_all)]
        return [reading for reading in readings if reading is not None]


def squared_distances(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the squared distances [N, N] of vectors [N, F] from each other."""
    products = vectors @ vectors.T
    lengths = np.diag(products)
    distances: npt.NDArray[np.float64] = np.clip(lengths[:, None] + lengths - 2.0 * products, 0.0, None)
    return distances
