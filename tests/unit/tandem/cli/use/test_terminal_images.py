"""GrowingImages made of characters."""

import io

from PIL import Image
from rich.console import Console

from tandem.cli.use.terminal_images import SHADES, UPPER_HALF, half_blocks, show_image


def shown(image: Image.Image, **options: object) -> str:
    file = io.StringIO()
    show_image(Console(file=file, width=10, **options), image)  # type: ignore[arg-type]
    return file.getvalue()


def test_a_cell_has_two_pixels() -> None:
    image = Image.new("RGB", (2, 3), (255, 0, 0))
    image.putpixel((0, 1), (0, 0, 255))
    top, bottom = half_blocks(image)
    assert top.plain == UPPER_HALF * 2
    first = top.spans[0].style
    assert (first.color.triplet, first.bgcolor.triplet) == ((255, 0, 0), (0, 0, 255))  # type: ignore[union-attr]
    assert bottom.spans[0].style.bgcolor is None  # type: ignore[union-attr]


def test_a_wide_picture_is_made_to_fit() -> None:
    text = shown(Image.new("L", (40, 40), 255), force_terminal=True, color_system="truecolor")
    assert text.count(UPPER_HALF) == 10 * 5
    assert text.count("\n") == 5


def test_few_colours_get_shades() -> None:
    text = shown(Image.new("L", (4, 4), 255), force_terminal=True, color_system="standard")
    assert text.count(SHADES[-1]) == 8
