"""Images by their pixels: the directions in which real images differ most (principal components)."""

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

NUM_COMPONENTS = 64
_SLICE = 10_000


class PixelComponents:
    """The first NUM_COMPONENTS principal components of real images [N, H, W], values 0 to 1; all if there are fewer."""

    def __init__(self, real: Pixels) -> None:
        total, products = np.zeros(real[0].size), np.zeros((real[0].size, real[0].size))
        for start in range(0, len(real), _SLICE):
            part = _flat(real[start : start + _SLICE])
            total += part.sum(axis=0)
            products += part.T @ part
        self._mean = total / len(real)
        _, directions = np.linalg.eigh(products / len(real) - np.outer(self._mean, self._mean))
        self._directions = directions[:, ::-1][:, :NUM_COMPONENTS]

    def of(self, images: Pixels) -> Floats:
        """Return the components [N, NUM_COMPONENTS] of images [N, H, W]."""
        found: Floats = (_flat(images) - self._mean) @ self._directions
        return found


def _flat(images: Pixels) -> Floats:
    return images.reshape(len(images), -1) / 255.0
