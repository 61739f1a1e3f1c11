"""The random words of images: each image has its own, set by (seed, domain, index).

The words are laid out by counter: word 0 counts through the images, as many blocks of four words an image as it needs;
word 1 is the domain. A run of images is thus one run of the stream, drawn in one call.
"""

import numpy as np
import numpy.typing as npt

from services.common.philox import Philox

WORDS_PER_BLOCK = 4


class RandomWords:
    """Words by image, in one run of the stream for a run of images. Used by one thread."""

    def __init__(self) -> None:
        self._philox = Philox()

    def rows(
        self, seed: int, domain: int, first_index: int, count: int, words_per_image: int
    ) -> npt.NDArray[np.uint64]:
        """Return the words [count, words_per_image] of images first_index to first_index + count - 1."""
        blocks_per_image = -(-words_per_image // WORDS_PER_BLOCK)
        generator = self._philox.at((seed, 0), (first_index * blocks_per_image, domain))
        words = generator.random_raw(count * blocks_per_image * WORDS_PER_BLOCK)
        return words.reshape(count, -1)[:, :words_per_image]
