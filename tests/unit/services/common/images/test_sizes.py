"""No image that is really written is larger than what was foretold."""

import numpy as np
import pytest

from services.common.images.encoding import encode_png, raw_bytes
from services.common.images.sizes import max_image_bytes

SHAPES = [(1, 1, 1), (28, 28, 1), (128, 128, 3), (7, 300, 4), (400, 3, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_raw_images_have_exactly_that_size(shape: tuple[int, int, int]) -> None:
    assert len(raw_bytes([np.zeros((1, *shape), np.uint8)])) == max_image_bytes(shape, "uint8")
    assert len(raw_bytes([np.zeros((1, *shape), np.float32)])) == max_image_bytes(shape, "float32")


@pytest.mark.parametrize("shape", SHAPES)
def test_noise_which_no_encoder_makes_smaller_stays_below_the_bound_of_png(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (20, *shape), dtype=np.uint8)
    largest = max(map(len, encode_png(noise)))
    assert largest <= max_image_bytes(shape, "png") <= 1.2 * largest + 16
