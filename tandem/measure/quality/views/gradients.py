"""Images by their gradients: histograms of oriented gradients (HOG; Dalal and Triggs 2005). Learnt from nothing."""

import numpy as np
import numpy.typing as npt

from tandem.measure.quality.reference import with_channels

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

NUM_CELLS = 4
"""Cells a side; of 28x28 pixels each has 7x7."""
NUM_BINS = 9
_CLIP = 0.2  # of a normalised block, after which it is normalised again (L2-Hys)
_EPSILON = 1e-4
_SLICE = 1_000


def histograms(images: Pixels) -> npt.NDArray[np.float64]:
    """Return the features of images [N, H, W] or [N, H, W, 3].

    They are blocks of 2x2 cells, NUM_BINS unsigned orientations a cell.
    """
    parts = [_blocks(images[start : start + _SLICE]) for start in range(0, len(images), _SLICE)]
    return np.concatenate(parts).astype(np.float64)


def _blocks(images: Pixels) -> Floats:
    cells = _cells(images)
    size = NUM_CELLS - 1
    corners = [cells[:, down : down + size, right : right + size] for down in (0, 1) for right in (0, 1)]
    blocks = _normalise(np.concatenate(corners, axis=-1))  # [N, 3, 3, 4 * NUM_BINS]
    return _normalise(np.minimum(blocks, _CLIP)).reshape(len(images), -1)


def _cells(images: Pixels) -> Floats:
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
    cells: Floats = (sums / pixels_a_cell).astype(np.float32)
    return cells.reshape(count, NUM_CELLS, NUM_CELLS, NUM_BINS)


def _normalise(blocks: Floats) -> Floats:
    norm: Floats = np.sqrt(np.square(blocks).sum(axis=-1, keepdims=True) + np.float32(_EPSILON))
    return blocks / norm
