"""One pass of the generator for a whole batch: what can be done once for all of its images is done here, in its thread.

That is drawing the latents and rounding to bytes, about 1 % of the model's own time; it counts as computing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.errors import ModelFault
from services.common.batch_request import Slice
from services.common.diversity import DiversityWatch
from services.common.finite import finite_parts
from services.common.images import to_uint8
from services.gan.drawing import Drawing
from services.gan.generator import Generator, Latents
from services.gan.latents import latent_words, to_normal


@dataclass(frozen=True, slots=True)
class Rows:
    """Images of a drawing, from `first_index` on: what the generator's batcher queues."""

    drawing: Drawing
    first_index: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """What comes back of them."""

    pixels: npt.NDArray[Any]  # [N, H, W, C], float32 in the model's range if that is the encoding, else uint8
    labels: npt.NDArray[np.int64] | None  # [N], None for a model without classes


Part = tuple[Drawing, range]


class DrawingPass:
    """Runs batches through one instance of a generator."""

    def __init__(
        self, generator: Generator, value_range: tuple[float, float], watch: DiversityWatch | None = None
    ) -> None:
        self._generator = generator
        self._value_range = value_range
        self._watch = watch

    def __call__(self, batch: Sequence[Slice[Rows, Drawn]]) -> list[Drawn | ModelFault]:
        """Return what each slice of the batch wants, drawn in one pass; ModelFault where a pixel is not finite."""
        parts = [_part(one) for one in batch]
        latents = merged_latents(parts)
        images = self._generator.draw(latents)
        wants_float = [drawing.encoding == "float32" for drawing, _ in parts]
        levels = images if all(wants_float) else to_uint8(images, self._value_range)
        sizes = [len(rows) for _, rows in parts]
        drawn: list[Drawn | ModelFault] = []
        zipped = zip(parts, wants_float, accumulate(sizes), finite_parts(sizes, images), strict=True)
        for (drawing, rows), is_float, stop, is_finite in zipped:
            if not is_finite:
                drawn.append(ModelFault())
                continue
            places = slice(stop - len(rows), stop)
            labels = None if latents.labels is None else latents.labels[places]
            if self._watch is not None and drawing.is_plain:
                self._watch.saw(images[places], labels, drawing.seed, rows.start)
            drawn.append(Drawn((images if is_float else levels)[places], labels))
        return drawn


def _part(one: Slice[Rows, Drawn]) -> Part:
    first_index = one.payload.first_index
    return one.payload.drawing, range(first_index + one.start, first_index + one.stop)


def merged_latents(parts: Sequence[Part]) -> Latents:
    """Return the latents of all parts, one after another."""
    if all(drawing.is_plain for drawing, _ in parts):
        words = [latent_words(drawing.seed, rows.start, len(rows), drawing.latent_dim) for drawing, rows in parts]
        vectors = to_normal(np.concatenate(words))
    else:
        vectors = np.concatenate([drawing.vectors(rows) for drawing, rows in parts])
    has_classes = parts[0][0].num_classes > 0
    labels = np.concatenate([drawing.labels(rows) for drawing, rows in parts]) if has_classes else None
    return Latents(vectors, labels)
