"""Whether images are copies of training images: distances to the nearest one, in pixels. Knows no features."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tandem.measure.statistics.quantiles import nearest_rank

Pixels = npt.NDArray[np.uint8]

UNSEEN_SHARE = 0.01


@dataclass(frozen=True, eq=False)
class Nearest:
    """For each of N images the nearest other one: its `distances` [N] (L2 of values 0 to 255) and `indices` [N]."""

    distances: npt.NDArray[np.float64]
    indices: npt.NDArray[np.int64]


def nearest(images: Pixels, others: Pixels) -> Nearest:
    """Find the nearest of `others` [M, ...] for each of `images` [N, ...]; exact, so the same on every machine."""
    a, b = _flat(images), _flat(others)
    # The squares are whole numbers far below 2^53: no order of summation can change them.
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * (a @ b.T)
    indices = squares.argmin(axis=1)
    return Nearest(np.sqrt(np.take_along_axis(squares, indices[:, None], axis=1)[:, 0]), indices)


def _flat(images: Pixels) -> npt.NDArray[np.float64]:
    return images.reshape(len(images), -1).astype(np.float64)


def unseen_threshold(unseen_distances: npt.NDArray[np.float64]) -> float:
    """Return the distance that a share of UNSEEN_SHARE of real images never trained on does not exceed."""
    return nearest_rank(unseen_distances, UNSEEN_SHARE)
