"""Images of both models, with the quality of what was served. They come from a document: checked, and made anew."""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass

from PIL import Image

from tandem.measure.report.sentences.comparison import quality_text
from tandem.measure.results.comparison import Comparison, Served
from tandem.measure.scenario import Paradigm

_MAX_PIXELS = 4_000_000


@dataclass(frozen=True)
class Samples:
    """`image`: base64 of a PNG, or empty."""

    paradigm: Paradigm
    model: str
    image: str
    caption: str


def samples_of(comparison: Comparison) -> list[Samples]:
    """Return one for each model."""
    return [
        Samples(
            served.paradigm, served.model, checked_png(served.samples_png), _caption(served, quality_text(comparison))
        )
        for served in comparison.served
    ]


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


def _caption(served: Served, note: str) -> str:
    if served.quality is None:
        return f"Of {served.num_images:,} images served in this run. Quality: {note}."
    own, floor = served.quality.model, served.quality.floor
    return (
        f"Of {own.num_images:,} images served in this run, and in brackets of as many real ones: FID {own.fid:.3g}"
        f" ({floor.fid:.3g}), label accuracy {own.accuracy:.1%} ({floor.accuracy:.1%}), precision {own.precision:.2f}"
        f" ({floor.precision:.2f}), recall {own.recall:.2f} ({floor.recall:.2f}), coverage {own.coverage:.2f}"
        f" ({floor.coverage:.2f})."
    )
