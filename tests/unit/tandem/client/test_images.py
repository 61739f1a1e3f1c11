"""Pixels, grids and images."""

import numpy as np
from numpy.typing import NDArray

from tandem.client import Images
from tandem.client.images import join_parts
from tandem.client.models import Timings
from tandem.client.options import Encoding


def images(pixels: NDArray[np.uint8] | NDArray[np.float32], encoding: Encoding) -> Images:
    number, height, width, channels = pixels.shape
    return Images((number, height, width, channels), encoding, pixels.tobytes(), (), (), 0, 0, None)


def test_float_pixels_come_back_exactly_and_scale_to_bytes() -> None:
    pixels = np.array([-1, 0, 1, 2], np.float32).reshape(1, 2, 2, 1)
    drawn = images(pixels, "float32")
    assert np.array_equal(drawn.pixels, pixels)
    assert drawn.to_uint8().ravel().tolist() == [0, 128, 255, 255]
    assert drawn.to_uint8((0, 2)).ravel().tolist() == [0, 0, 128, 255]


def test_joined_parts_are_the_reply_that_they_might_have_been() -> None:
    timings = Timings(compute_seconds=0.5)
    parts = [
        Images((1, 1, 1, 1), "uint8", b"a", (), (3,), 9, 4, None, "f"),
        Images((1, 1, 1, 1), "uint8", b"b", (), (5,), 9, 5, timings, "f"),
    ]
    assert vars(join_parts(parts)) == vars(Images((2, 1, 1, 1), "uint8", b"ab", (), (3, 5), 9, 4, timings, "f"))
