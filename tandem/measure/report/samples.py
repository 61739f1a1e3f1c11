"""Images of both models. They come from a document: checked, and made anew."""

import base64
import binascii
import io

from PIL import Image

from tandem.measure.results.comparison import Comparison, Served

_MAX_PIXELS = 4_000_000


def samples_of(comparison: Comparison) -> list[tuple[Served, str, str]]:
    """Return what each model served, its images as base64 of a PNG, or empty, and a caption."""
    return [(each, checked_png(each.samples_png), _caption(each)) for each in comparison.served]


def checked_png(text: str) -> str:
    """Return the image as a PNG that we have written ourselves; empty if it is none."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as image:
            if image.width * image.height > _MAX_PIXELS:
                return ""
            file = io.BytesIO()
            image.convert("L" if image.mode in ("1", "L") else "RGB").save(file, "PNG")
    except (OSError, ValueError, SyntaxError, binascii.Error):
        return ""
    return base64.b64encode(file.getvalue()).decode()


def _caption(served: Served) -> str:
    text = f"Of {served.num_images:,} images served in this run, a row each class."
    if served.quality is None:
        return text
    own, floor = served.quality.model, served.quality.floor
    return f"{text} The judge takes {own.accuracy:.0%} for the class asked for, of real ones {floor.accuracy:.0%}."
