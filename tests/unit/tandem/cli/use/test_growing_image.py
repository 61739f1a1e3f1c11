"""GrowingImages that grow in a terminal, and in a pipe."""

import io
from typing import Any

from rich.console import Console

from tandem.cli.use.growing_image import GrowingImage
from tandem.cli.use.terminal_images import SHADES
from tandem.client import ImageBatch

ERASE_LINE = "\x1b[2K"


def picture(value: int) -> ImageBatch:
    return ImageBatch((1, 4, 4, 1), "uint8", bytes([value]) * 16, ())


def grown(**options: Any) -> tuple[str, ImageBatch]:
    """Return what a console shows of two choices, drawn in three steps, and all images at the end."""
    file = io.StringIO()
    with GrowingImage(Console(file=file, width=30, height=20, **options)) as pictures:
        pictures.show(1, picture(0))
        pictures.show(0, picture(128))
        pictures.show(1, picture(255))
        return file.getvalue(), pictures.all()


def test_each_step_is_drawn_over_the_last() -> None:
    shown, _ = grown(force_terminal=True, color_system="standard")
    assert SHADES[-1] * 4 in shown
    assert SHADES[2] * 4 in shown
    assert shown.count(ERASE_LINE) >= 2 * 2
