"""Images in three views, so that no one kind of features decides alone: a judge's; pixels, by the directions in which
real images differ most; and histograms of oriented gradients (HOG; Dalal and Triggs 2005), learnt from nothing.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tandem.measure.quality.distances import Features, distance, normals_of
from tandem.measure.quality.reference import with_channels
from tandem.measure.results.quality import Views

Pixels = npt.NDArray[np.uint8]
Gradients = npt.NDArray[np.float32]

NUM_COMPONENTS = 64
MAX_SIDE = 32
"""Of larger images, the means of blocks of 2x2 pixels are taken: of all their pixels, components would take minutes."""
_PIXEL_SLICE = 10_000
NUM_CELLS = 4
"""Cells a side; of 28x28 pixels each has 7x7."""
NUM_BINS = 9
_CLIP = 0.2  # of a normalised block, after which it is normalised again (L2-Hys)
_EPSILON = 1e-4
_GRADIENT_SLICE = 1_000


class Distances:
    """Measures sets of images against real ones; what the real ones need is computed once."""

    def __init__(self, look: Callable[[Pixels], Features], train: Pixels, test: Pixels) -> None:
        """`look`: the judge's features. The pixels' components are those of `train`; the distances are to `test`."""
        self._views: dict[str, Callable[[Pixels], Features]] = {
            "judge": look,
            "pixels": PixelComponents(train).of,
            "gradients": histograms,
        }
        self._real = {name: normals_of(features(test)) for name, features in self._views.items()}

    def to(self, images: Pixels) -> Views:
        """Return the distances of images; in the order of their classes."""
        return Views(**{name: distance(look(images), self._real[name]) for name, look in self._views.items()})


class PixelComponents:
    """The first NUM_COMPONENTS principal components of real images, values 0 to 1; all if there are fewer."""

    def __init__(self, real: Pixels) -> None:
        size = _flat(real[:1]).size
        total, products = np.zeros(size), np.zeros((size, size))
        for start in range(0, len(real), _PIXEL_SLICE):
            part = _flat(real[start : start + _PIXEL_SLICE])
            total += part.sum(axis=0)
            products += part.T @ part
        self._mean = total / len(real)
        _, directions = np.linalg.eigh(products / len(real) - np.outer(self._mean, self._mean))
        self._directions = directions[:, ::-1][:, :NUM_COMPONENTS]

    def of(self, images: Pixels) -> Features:
        """Return the components [N, NUM_COMPONENTS] of images [N, H, W] or [N, H, W, 3]."""
        found: Features = (_flat(images) - self._mean) @ self._directions
        return found


def _flat(images: Pixels) -> Features:
    if max(images.shape[1:3]) > MAX_SIDE:
        height, width = (side // 2 * 2 for side in images.shape[1:3])
        even = images[:, :height, :width].reshape(len(images), height // 2, 2, width // 2, 2, -1)
        means: Features = even.mean(axis=(2, 4))
        return means.reshape(len(images), -1) / 255.0
    return images.reshape(len(images), -1) / 255.0


def histograms(images: Pixels) -> npt.NDArray[np.float64]:
    """Return the features of images [N, H, W] or [N, H, W, 3].

    They are blocks of 2x2 cells, NUM_BINS unsigned orientations a cell.
    """
    parts = [_blocks(images[start : start + _GRADIENT_SLICE]) for start in range(0, len(images), _GRADIENT_SLICE)]
    return np.concatenate(parts).astype(np.float64)


def _blocks(images: Pixels) -> Gradients:
    cells = _cells(images)
    size = NUM_CELLS - 1
    corners = [cells[:, down : down + size, right : right + size] for down in (0, 1) for right in (0, 1)]
    blocks = _normalise(np.concatenate(corners, axis=-1))  # [N, 3, 3, 4 * NUM_BINS]
    return _normalise(np.minimum(blocks, _CLIP)).reshape(len(images), -1)


def _cells(images: Pixels) -> Gradients:
    """Return a histogram of each cell [N, NUM_CELLS, NUM_CELLS, NUM_BINS].

    A pixel's gradient counts with its length, and is shared by the two bins that its orientation lies between. In
    colour, it is that of the channel in which it is longest.
    """
    values = with_channels(images).astype(np.float32) / 255
    down, right = np.zeros_like(values), np.zeros_like(values)
    down[:, 1:-1] = values[:, 2:] - values[:, :-2]
    right[:, :, 1:-1] = values[:, :, 2:] - values[:, :, :-2]
    longest = np.hypot(down, right).argmax(axis=-1, keepdims=True)
    down, right = (np.take_along_axis(steps, longest, axis=-1)[..., 0] for steps in (down, right))
    length = np.hypot(down, right)
    place = np.arctan2(down, right) * np.float32(NUM_BINS / np.pi) - np.float32(0.5)
    lower = np.floor(place)
    upper_part = place - lower
    bins = lower.astype(np.int64)
    count, height, width = length.shape
    cell = (np.arange(height) * NUM_CELLS // height)[:, None] * NUM_CELLS + np.arange(width) * NUM_CELLS // width
    first = (np.arange(count)[:, None, None] * NUM_CELLS**2 + cell) * NUM_BINS
    weights = np.concatenate([(length * (1 - upper_part)).ravel(), (length * upper_part).ravel()])
    indices = np.concatenate([(first + bins % NUM_BINS).ravel(), (first + (bins + 1) % NUM_BINS).ravel()])
    sums = np.bincount(indices, weights, count * NUM_CELLS**2 * NUM_BINS)
    pixels_a_cell = height * width / NUM_CELLS**2
    cells: Gradients = (sums / pixels_a_cell).astype(np.float32)
    return cells.reshape(count, NUM_CELLS, NUM_CELLS, NUM_BINS)


def _normalise(blocks: Gradients) -> Gradients:
    norm: Gradients = np.sqrt(np.square(blocks).sum(axis=-1, keepdims=True) + np.float32(_EPSILON))
    return blocks / norm
