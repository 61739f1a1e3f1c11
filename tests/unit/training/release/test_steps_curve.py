"""How a curve over steps is shown: as a table for the card, and as an image with a row for each number of steps."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("prdc", reason="needs the extra `quality`")


from training.release.steps_curve import save_images


def test_the_picture_has_a_row_for_each_number_of_steps_and_a_column_a_class(tmp_path):
    rows = [np.full((10, 28, 28), value, np.uint8) for value in (10, 200)]
    save_images(rows, tmp_path / "steps.png")
    with Image.open(tmp_path / "steps.png") as picture:
        assert picture.size == (10 * 28 * 3, 2 * 28 * 3)
        assert (picture.getpixel((0, 0)), picture.getpixel((0, 28 * 3))) == (10, 200)
