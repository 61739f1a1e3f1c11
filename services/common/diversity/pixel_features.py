"""Images as vectors without a network: their pixels, averaged over squares where the images are large."""

import numpy as np
import numpy.typing as npt

from services.common.images.encoding import Images

MAX_SIDE = 32


def pixel_features(images: Images, value_range: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Return vectors [N, F] of values 0 to 1; no side of the image behind a vector is longer than MAX_SIDE."""
    low, high = value_range
    count, height, width, channels = images.shape
    size = -(-max(height, width) // MAX_SIDE)
    # What does not fill a square at the lower and right edges is left out.
    rows, columns = height // size, width // size
    squares = images[:, : rows * size, : columns * size].reshape(count, rows, size, columns, size, channels)
    values: npt.NDArray[np.float32] = squares.mean(axis=(2, 4), dtype=np.float32).reshape(count, -1)
    return (values - np.float32(low)) / np.float32(high - low)
