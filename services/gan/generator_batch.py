"""One batch of requests through the generator: what can be done once for all images is done here, in its thread.

That is drawing the latents and rounding to bytes, about 1 % of the model's own time; it counts as computing. Latents
and classes are drawn by compiled code where there is a compiler, otherwise in numpy, to the same bits. numpy takes
about 60 us a request, compiled code 16 us a batch and 1 us a request. Other threads of Python wait during most of that
time.
"""

import logging
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from services.common.batching.request import Slice
from services.common.diversity.watch import DiversityWatch
from services.common.images.encoding import to_uint8
from services.common.runtimes.session import finite_parts
from services.gan.generator import Generator, Latents
from services.gan.image_request import Part
from services.gan.latents import LABEL_DOMAIN, LATENT_DOMAIN
from services.gan.native.build import Run, gan_recipe
from tandem.shared.compiled.library import open_functions
from tandem.shared.compiled.recipe import LibraryUnavailable
from tandem.shared.errors import ModelFault

logger = logging.getLogger(__name__)


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


def draw_batch(parts: Sequence[Part], library: SimpleNamespace | None) -> Latents:
    """Return the latents of all parts, and the classes of a model that has some."""
    first, _ = parts[0]
    vectors: npt.NDArray[np.float32]
    if library is not None and all(request.is_plain for request, _ in parts):
        vectors = _fill(library.latents, parts, first.latent_dim, LATENT_DOMAIN, (first.latent_dim,), np.float32)
    else:
        vectors = np.concatenate([request.vectors(rows) for request, rows in parts])
    labels: npt.NDArray[np.int64] | None = None
    if first.num_classes and library is not None and all(request.explicit_labels is None for request, _ in parts):
        labels = _fill(library.labels, parts, first.num_classes, LABEL_DOMAIN, (), np.int64)
    elif first.num_classes:
        labels = np.concatenate([request.labels(rows) for request, rows in parts])
    return Latents(vectors, labels)


def _fill(
    function: Callable[..., None], parts: Sequence[Part], size: int, domain: int, shape: tuple[int, ...], dtype: Any
) -> npt.NDArray[Any]:
    """Return what a function of the library draws for the seeds of the parts: an array of the shape for each image."""
    numbers = [number for request, rows in parts for number in (request.seed, rows.start, len(rows))]
    drawn = np.empty((sum(numbers[2::3]), *shape), dtype)
    # Packed first: to fill the fields of structures one by one takes longer than to draw.
    runs = (Run * len(parts)).from_buffer_copy(struct.pack(f"={len(numbers)}Q", *numbers))
    function(runs, len(parts), size, domain, drawn.ctypes.data)
    return drawn


@cache
def gan_library() -> SimpleNamespace | None:
    """Return the functions, which keep Python's lock, most for microseconds; None if they cannot be had.

    That is tried, and said, once a process.
    """
    try:
        return open_functions(gan_recipe())[0]
    except LibraryUnavailable as error:
        logger.warning("latents are drawn in numpy, and each request takes longer: %s", error)
        return None
