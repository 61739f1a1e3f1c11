"""Images by their pixels: the directions in which real images differ most (principal components)."""

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

NUM_COMPONENTS = 64
MAX_SIDE = 32
"""Of larger images, the means of blocks of 2x2 pixels are taken: of all their pixels, components would take minutes."""
_SLICE = 10_000


class PixelComponents:
    """The first NUM_COMPONENTS principal components of real images, values 0 to 1; all if there are fewer."""

    def __init__(self, real: Pixels) -> None:
        size = _flat(real[:1]).size
        total, products = np.zeros(size), np.zeros((size, size))
        for start in range(0, len(real), _SLICE):
            part = _flat(real[start : start + _SLICE])
            total += part.sum(axis=0)
            products += part.T @ part
        self._mean = total / len(real)
        _, directions = np.linalg.eigh(products / len(real) - np.outer(self._mean, self._mean))
        self._directions = directions[:, ::-1][:, :NUM_COMPONENTS]

    def of(self, images: Pixels) -> Floats:
        """Return the components [N, NUM_COMPONENTS] of images [N, H, W] or [N, H, W, 3]."""
        found: Floats = (_flat(images) - self._mean) @ self._directions
        return found


def _flat(images: Pixels) -> Floats:
    if max(images.shape[1:3]) > MAX_SIDE:
        height, width = (side // 2 * 2 for side in images.shape[1:3])
        even = images[:, :height, :width].reshape(len(images), height // 2, 2, width // 2, 2, -1)
        means: Floats = even.mean(axis=(2, 4))
        return means.reshape(len(images), -1) / 255.0
    return images.reshape(len(images), -1) / 255.0
