"""What is kept of the images served, and what is only counted."""

import base64
import io

import numpy as np
from PIL import Image

from tandem.measure.studies.comparison.album import Album


def image(value: int) -> np.ndarray:
    return np.full((4, 4, 1), value, np.uint8)


def filled(most_per_class: int = 10) -> Album:
    album = Album(3, most_per_class)
    for number in range(7):
        album.add(number % 3, image(10 * (number % 3) + number))
    return album


def test_the_first_of_each_class_are_kept_in_the_order_of_the_classes() -> None:
    images, labels = filled().balance(2)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert images[:, 0, 0, 0].tolist() == [0, 3, 11, 14, 22, 25]


def test_all_are_counted_and_some_are_kept() -> None:
    album = filled(most_per_class=1)
    assert (len(album), album.num_balanced, album.num_per_class) == (7, 6, 1)
    assert (len(filled()), filled().num_per_class) == (7, 2)


def test_samples_are_a_row_a_class() -> None:
    with Image.open(io.BytesIO(base64.b64decode(filled().samples_png(5)))) as picture:
        assert picture.size == (2 * 4 + 1, 3 * 4 + 2)
        assert [picture.getpixel(place) for place in ((0, 0), (5, 0), (0, 5), (5, 10))] == [0, 3, 11, 25]
    assert Album(3, 5).samples_png(5) == ""
