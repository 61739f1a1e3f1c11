"""One pass of the generator for a whole batch: what can be done once for all of its images is done here, in its thread.

That is drawing the latents and rounding to bytes, about 1 % of the model's own time; it counts as computing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from services.common.batching.request import Slice
from services.common.diversity.watch import DiversityWatch
from services.common.finite import finite_parts
from services.common.images.encoding import Images, to_uint8
from services.gan.drawing import Drawing
from services.gan.draws import Draws, open_draws
from services.gan.generator import Generator, Latents
from tandem.shared.errors import ModelFault

Part = tuple[Drawing, range]
"""Images of a drawing, by index: what the generator's batcher queues."""


@dataclass(frozen=True)
class DrawnBatch:
    """What a pass drew, in one encoding."""

    pixels: npt.NDArray[Any]  # [N, H, W, C]: float32 in the model's range, or uint8 in the order of the shape
    labels: npt.NDArray[np.int64] | None  # [N], None for a model without classes

    @cached_property
    def address(self) -> int:
        """Where the pixels begin."""
        return int(self.pixels.ctypes.data)

    @cached_property
    def labels_address(self) -> int:
        """Where the classes begin; 0 for a model without classes."""
        return 0 if self.labels is None else int(self.labels.ctypes.data)


class Drawn:
    """What comes back of a part: images `start` to `stop` - 1 of a batch."""

    __slots__ = ("_batch", "_start", "_stop")

    def __init__(self, batch: DrawnBatch, start: int, stop: int) -> None:
        self._batch, self._start, self._stop = batch, start, stop

    @property
    def pixels(self) -> npt.NDArray[Any]:
        """The images [N, H, W, C]: float32 in the model's range if that is the encoding, else uint8."""
        return self._batch.pixels[self._start : self._stop]

    @property
    def labels(self) -> npt.NDArray[np.int64] | None:
        """The classes [N], None for a model without classes."""
        return None if self._batch.labels is None else self._batch.labels[self._start : self._stop]

    @property
    def address(self) -> int:
        """Where the pixels begin, while this is there; of bytes, they are in the order of their shape."""
        return self._batch.address + self._start * self._batch.pixels.strides[0]

    @property
    def labels_address(self) -> int:
        """Where the classes begin, while this is there; 0 for a model without classes."""
        labels = self._batch.labels
        return 0 if labels is None else self._batch.labels_address + self._start * labels.strides[0]


def joined(parts: Sequence[Drawn]) -> Drawn:
    """Return the images of all parts, one after another; the parts are of one model and in one encoding."""
    labels = [part.labels for part in parts if part.labels is not None]
    batch = DrawnBatch(np.concatenate([part.pixels for part in parts]), np.concatenate(labels) if labels else None)
    return Drawn(batch, 0, len(batch.pixels))


class DrawingPass:
    """Runs batches through one instance of a generator."""

    def __init__(
        self, generator: Generator, value_range: tuple[float, float], watch: DiversityWatch | None = None
    ) -> None:
        self._generator = generator
        self._value_range = value_range
        self._watch = watch
        self._draws = open_draws()

    def __call__(self, batch: Sequence[Slice[Part, Drawn]]) -> list[Drawn | ModelFault]:
        """Return what each slice of the batch wants, drawn in one pass; ModelFault where a pixel is not finite."""
        parts = [_part(one) for one in batch]
        latents = merged_latents(parts, self._draws)
        images = self._generator.draw(latents)
        wants_float = [drawing.encoding == "float32" for drawing, _ in parts]
        floats = DrawnBatch(images, latents.labels)
        levels = floats if all(wants_float) else DrawnBatch(self._levels(images), latents.labels)
        sizes = [len(rows) for _, rows in parts]
        drawn: list[Drawn | ModelFault] = []
        zipped = zip(parts, wants_float, accumulate(sizes), finite_parts(sizes, images), strict=True)
        for (drawing, rows), is_float, stop, is_finite in zipped:
            if not is_finite:
                drawn.append(ModelFault())
                continue
            places = slice(stop - len(rows), stop)
            labels = None if latents.labels is None else latents.labels[places]
            if self._watch is not None and drawing.explicit_vectors is None:
                self._watch.saw(images[places], labels, drawing.seed, rows.start, drawing.truncation)
            drawn.append(Drawn(floats if is_float else levels, places.start, places.stop))
        return drawn

    def _levels(self, images: Images) -> npt.NDArray[np.uint8]:
        """Return the images as bytes, in the order of their shape."""
        return np.ascontiguousarray(to_uint8(images, self._value_range))


def _part(one: Slice[Part, Drawn]) -> Part:
    drawing, indices = one.payload
    return drawing, indices[one.start : one.stop]


def merged_latents(parts: Sequence[Part], draws: Draws) -> Latents:
    """Return the latents of all parts, one after another."""
    runs = [(drawing.seed, rows.start, len(rows)) for drawing, rows in parts]
    first, _ = parts[0]
    if all(drawing.is_plain for drawing, _ in parts):
        vectors = draws.latents(runs, first.latent_dim)
    else:
        vectors = np.concatenate([drawing.vectors(rows) for drawing, rows in parts])
    labels = None
    if first.num_classes and all(drawing.explicit_labels is None for drawing, _ in parts):
        labels = draws.labels(runs, first.num_classes)
    elif first.num_classes:
        labels = np.concatenate([drawing.labels(rows) for drawing, rows in parts])
    return Latents(vectors, labels)
