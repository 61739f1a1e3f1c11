"""An image in a terminal, as wide as the terminal at most.

With many colours each character cell shows two pixels, one above the other, by an upper half block; with few, a cell is
a shade of grey.
"""

from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

UPPER_HALF = "▀"
SHADES = " ░▒▓█"
MANY_COLORS = ("256", "truecolor")

Pixel = tuple[int, int, int]


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
    rgb = image.convert("RGB")
    return [_line(rgb, top) for top in range(0, rgb.height, 2)]


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


def _line(image: Image.Image, top: int) -> Text:
    line = Text(no_wrap=True)
    for column in range(image.width):
        below = _pixel(image, column, top + 1) if top + 1 < image.height else None
        line.append(UPPER_HALF, Style(color=_color(_pixel(image, column, top)), bgcolor=below and _color(below)))
    return line


def _pixel(image: Image.Image, column: int, row: int) -> Pixel:
    red, green, blue = image.getpixel((column, row))  # type: ignore[misc]
    return red, green, blue


def _color(pixel: Pixel) -> Color:
    return Color.from_rgb(*pixel)
