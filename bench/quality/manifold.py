"""How two sets of feature vectors cover each other: precision, recall, density, coverage. Knows nothing of images."""

import contextlib
import io
from dataclasses import dataclass

from prdc import compute_prdc

from bench.quality.distances import Features

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


def overlap(real: Features, generated: Features) -> Overlap:
    """Compare two sets [N, F], each of more than NUM_NEIGHBOURS; for 10,000 each, 2 to 3 GB and some ten seconds."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints the sizes
        found = compute_prdc(real_features=real, fake_features=generated, nearest_k=NUM_NEIGHBOURS)
    return Overlap(**{name: float(value) for name, value in found.items()})
