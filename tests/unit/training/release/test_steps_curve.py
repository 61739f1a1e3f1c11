"""How a curve over steps is shown: as a table for the card, and as an image with a row for each number of steps."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("prdc", reason="needs the extra `quality`")

from rich.console import Console

from training.release.steps_curve import save_images, table_of

POINT = {"fid": 1.5, "accuracy": 0.86, "precision": 0.9, "recall": 0.8, "coverage": 0.85}


def test_a_row_for_each_number_of_steps():
    console = Console(width=120, record=True)
    points = [{"steps": steps, "bits_per_token": bits} | POINT for steps, bits in ((49, 2.5), (8, 2.55))]
    console.print(table_of(points))
    lines = [line for line in console.export_text().splitlines() if line.strip()]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    assert rows[0][:3] == ["steps", "bits a token", "FID"]
    assert [row[:3] for row in rows[2:]] == [["49", "2.500", "1.500"], ["8", "2.550", "1.500"]]


def test_the_picture_has_a_row_for_each_number_of_steps_and_a_column_a_class(tmp_path):
    rows = [np.full((10, 28, 28), value, np.uint8) for value in (10, 200)]
    save_images(rows, tmp_path / "steps.png")
    with Image.open(tmp_path / "steps.png") as picture:
        assert picture.size == (10 * 28 * 3, 2 * 28 * 3)
        assert (picture.getpixel((0, 0)), picture.getpixel((0, 28 * 3))) == (10, 200)
