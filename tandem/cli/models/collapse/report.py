"""What `tandem collapse` shows: a table of instruments, and images side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from tandem.client.images import grid
from tandem.measure.formats import count
from tandem.measure.report.tables import Cell, Row, Table

PADDING = 2
CAPTION_HEIGHT = 14

NOTES = (
    "fid: the usual figure for the quality of a GAN, here the distance of the images from as many others of the"
    " healthy generator (lower is better); right class: share that a classifier takes for what was asked for. Both are"
    " computed offline, from thousands of images.",
    "variance, nearest: what the service says of itself while it serves, next to the released model (1 is as released):"
    " how much the images of a class vary, and how far apart the two closest are.",
    "A generator that knows 200 latents looks well to the eye and to both offline figures, and yet draws each image"
    " over and over: the nearest pair shows it. One whose latents are shrunk draws averages: variance shows it.",
)


@dataclass(frozen=True, eq=False)
class Case:
    """What was seen of one generator."""

    name: str
    fid: float
    accuracy: float
    variance_ratio: float
    nearest_ratio: float
    variance_alarms: float
    duplicate_alarms: float
    images: npt.NDArray[np.uint8]
    """Some images of one class [N, H, W, C]."""


def collapse_table(cases: Sequence[Case]) -> Table:
    """Return one column a generator, one row an instrument."""
    rows = [
        Row(("fid, offline", *(f"{case.fid:.2f}" for case in cases))),
        Row(("right class, offline", *(f"{case.accuracy:.0%}" for case in cases))),
        Row(("variance, live", *(f"{case.variance_ratio:.2f}" for case in cases))),
        Row(("nearest, live", *(f"{case.nearest_ratio:.2f}" for case in cases))),
        Row(("alarms, grown alike", *(_alarms(case.variance_alarms) for case in cases))),
        Row(("alarms, repeated", *(_alarms(case.duplicate_alarms) for case in cases))),
    ]
    return Table(("", *(case.name for case in cases)), rows, "collapse")


def _alarms(number: float) -> Cell:
    return Cell(count(number), is_bad=number > 0)


def gallery(cases: Sequence[Case], num_columns: int, num_rows: int) -> Image.Image:
    """Return an image of rows of images under the name of each generator."""
    grids = [grid(case.images[: num_columns * num_rows], num_columns, PADDING) for case in cases]
    height, width = grids[0].shape[:2]
    canvas = Image.new("L" if grids[0].shape[2] == 1 else "RGB", (width, len(cases) * (height + CAPTION_HEIGHT)))
    for row, (case, pixels) in enumerate(zip(cases, grids, strict=True)):
        top = row * (height + CAPTION_HEIGHT)
        ImageDraw.Draw(canvas).text((PADDING, top), case.name, fill="white")
        canvas.paste(Image.fromarray(pixels.squeeze()), (0, top + CAPTION_HEIGHT))
    return canvas
