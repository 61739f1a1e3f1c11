"""An image in a terminal, as wide as the terminal at most.

With many colours each character cell shows two pixels, one above the other, by an upper half block; with few, a cell is
a shade of grey.
"""

import itertools

import numpy as np
from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

UPPER_HALF = "▀"
SHADES = " ░▒▓█"
MANY_COLORS = ("256", "truecolor")


def show_image(console: Console, image: Image.Image) -> None:
    """Print `image`; nothing where there is no terminal."""
    if console.is_terminal:
        for line in image_lines(console, image):
            console.print(line, no_wrap=True, crop=True)


def image_lines(console: Console, image: Image.Image) -> list[Text]:
    """Return `image` as lines of text, in what colours the console has."""
    draw = half_blocks if console.color_system in MANY_COLORS else shades
    return draw(_fit(image, console.width))


def half_blocks(image: Image.Image) -> list[Text]:
    """Return one line of text for every two rows of pixels."""
    rows = [[Color.from_rgb(*pixel) for pixel in row] for row in np.asarray(image.convert("RGB")).tolist()]
    lines = []
    for upper, lower in itertools.zip_longest(rows[::2], rows[1::2], fillvalue=[None] * image.width):
        line = Text(no_wrap=True)
        for above, below in zip(upper, lower, strict=True):
            line.append(UPPER_HALF, Style(color=above, bgcolor=below))
        lines.append(line)
    return lines


def shades(image: Image.Image) -> list[Text]:
    """Return one line of text for every two rows of pixels, which it averages."""
    grey = image.convert("L").resize((image.width, (image.height + 1) // 2), Image.Resampling.BOX)
    values = list(grey.tobytes())
    rows = [values[start : start + grey.width] for start in range(0, len(values), grey.width)]
    return [Text("".join(SHADES[value * len(SHADES) // 256] for value in row), no_wrap=True) for row in rows]


def _fit(image: Image.Image, max_columns: int) -> Image.Image:
    if image.width <= max_columns:
        return image
    height = max(1, round(image.height * max_columns / image.width))
    return image.resize((max_columns, height), Image.Resampling.LANCZOS)
