"""Pixels, grids and images."""

import numpy as np
from numpy.typing import NDArray

from tandem.client import Images
from tandem.client.images import grid, join_parts
from tandem.client.options import Encoding
from tandem.client.timings import Timings


def images(pixels: NDArray[np.uint8] | NDArray[np.float32], encoding: Encoding) -> Images:
    number, height, width, channels = pixels.shape
    return Images((number, height, width, channels), encoding, pixels.tobytes(), (), (), 0, 0, None)


def test_float_pixels_come_back_exactly_and_scale_to_bytes() -> None:
    pixels = np.array([-1, 0, 1, 2], np.float32).reshape(1, 2, 2, 1)
    drawn = images(pixels, "float32")
    assert np.array_equal(drawn.pixels, pixels)
    assert drawn.to_uint8().ravel().tolist() == [0, 128, 255, 255]
    assert drawn.to_uint8((0, 2)).ravel().tolist() == [0, 0, 128, 255]


def test_a_grid_is_as_square_as_can_be() -> None:
    pixels = np.full((5, 2, 3, 1), 9, np.uint8)
    laid_out = grid(pixels, None, padding=1)
    assert laid_out.shape == (2 * 2 + 1, 3 * 3 + 2, 1)
    assert laid_out[2].max() == 0
    assert laid_out[:2, :3].min() == 9
    assert laid_out[3:, 8:].max() == 0  # the sixth place is empty


def test_joined_parts_are_the_reply_that_they_might_have_been() -> None:
    timings = Timings(compute_seconds=0.5)
    parts = [
        Images((1, 1, 1, 1), "uint8", b"a", (), (3,), 9, 4, None, "f"),
        Images((1, 1, 1, 1), "uint8", b"b", (), (5,), 9, 5, timings, "f"),
    ]
    assert vars(join_parts(parts)) == vars(Images((2, 1, 1, 1), "uint8", b"ab", (), (3, 5), 9, 4, timings, "f"))
