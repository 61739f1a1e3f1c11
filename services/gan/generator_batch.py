"""One batch of requests through the generator: what can be done once for all images is done here, in its thread.

That is drawing the latents and rounding to bytes, about 1 % of the model's own time; it counts as computing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from services.common.batching.request import Slice
from services.common.diversity.watch import DiversityWatch
from services.common.images.encoding import to_uint8
from services.common.runtimes.session import finite_parts
from services.gan.batch_latents import draw_batch, gan_library
from services.gan.generator import Generator
from services.gan.image_request import Part
from tandem.shared.errors import ModelFault


@dataclass(slots=True)
class ImageSlice:
    """What comes back of a part: some of the images of a batch."""

    pixels: npt.NDArray[Any]  # [N, H, W, C]: float32 in the model's range if that is the encoding, else uint8
    labels: npt.NDArray[np.int64] | None  # [N], None for a model without classes


class GeneratorBatches:
    """Runs batches through one instance of a generator."""

    def __init__(
        self, generator: Generator, value_range: tuple[float, float], watch: DiversityWatch | None = None
    ) -> None:
        self._generator = generator
        self._value_range = value_range
        self._watch = watch
        self._library = gan_library()

    def __call__(self, batch: Sequence[Slice[Part, ImageSlice]]) -> list[ImageSlice | ModelFault]:
        """Return what each slice of the batch asks for, drawn in one pass; ModelFault where a pixel is not finite."""
        parts = [_part(one) for one in batch]
        latents = draw_batch(parts, self._library)
        images = self._generator.draw(latents)
        are_floats = [request.encoding == "float32" for request, _ in parts]
        levels = images if all(are_floats) else np.ascontiguousarray(to_uint8(images, self._value_range))
        sizes = [len(rows) for _, rows in parts]
        drawn: list[ImageSlice | ModelFault] = []
        zipped = zip(parts, are_floats, accumulate(sizes), finite_parts(sizes, images), strict=True)
        for (request, rows), is_float, stop, is_finite in zipped:
            if not is_finite:
                drawn.append(ModelFault())
                continue
            places = slice(stop - len(rows), stop)
            labels = None if latents.labels is None else latents.labels[places]
            if self._watch is not None and request.explicit_vectors is None:
                self._watch.saw(images[places], labels, request.seed, rows.start, request.truncation)
            drawn.append(ImageSlice((images if is_float else levels)[places], labels))
        return drawn


def _part(one: Slice[Part, ImageSlice]) -> Part:
    request, indices = one.payload
    return one.payload if one.num_samples == len(indices) else (request, indices[one.start : one.stop])
