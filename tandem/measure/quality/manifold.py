"""How two sets of feature vectors cover each other: precision, recall, density, coverage. Knows nothing of images."""

from dataclasses import dataclass

import numpy as np
from prdc.prdc import compute_nearest_neighbour_distances, compute_pairwise_distance

from tandem.measure.quality.distances import Features

NUM_NEIGHBOURS = 5


@dataclass(frozen=True)
class Overlap:
    """Each 0 to 1, but density, which may be above.

    `precision`: generated vectors that lie within the reach (the distance of its fifth neighbour) of a real one.
    `recall`: real vectors within the reach of a generated one (both Kynkaanniemi et al. 2019). `density`: how many real
    ones reach a generated one, on average, by fifths. `coverage`: real vectors that have a generated one within their
    reach (both Naeem et al. 2020); recall is lenient towards outliers, coverage is not.
    """

    precision: float
    recall: float
    density: float
    coverage: float


class Manifold:
    """A set of real feature vectors [N, F] with their reaches, which are found once: for 10,000 that takes longest."""

    def __init__(self, real: Features) -> None:
        self._real = real
        self._reaches = compute_nearest_neighbour_distances(real, NUM_NEIGHBOURS)  # [N]

    def overlap(self, generated: Features) -> Overlap:
        """Compare with generated vectors, more than NUM_NEIGHBOURS; for 10,000 of each, 2 to 3 GB."""
        reaches = compute_nearest_neighbour_distances(generated, NUM_NEIGHBOURS)
        distances = compute_pairwise_distance(self._real, generated)  # [real, generated]
        is_reached = distances < self._reaches[:, np.newaxis]
        return Overlap(
            precision=float(is_reached.any(axis=0).mean()),
            recall=float((distances < reaches).any(axis=1).mean()),
            density=float(is_reached.sum(axis=0).mean() / NUM_NEIGHBOURS),
            coverage=float(is_reached.any(axis=1).mean()),
        )
