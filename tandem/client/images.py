"""Images as plain values, however they travelled, and the discriminator's verdict on some."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tandem.client.models import Timings
from tandem.client.options import Encoding


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """Images of one size; `shape` is number, height, width, channels."""

    shape: tuple[int, int, int, int]
    encoding: Encoding
    data: bytes
    """The raw values; empty for PNG."""
    png: tuple[bytes, ...]
    """One file an image; empty for raw encodings."""

    def __len__(self) -> int:
        return self.shape[0]

    @cached_property
    def pixels(self) -> NDArray[np.uint8] | NDArray[np.float32]:
        """[number, height, width, channels]: uint8, or float32 in the model's own range."""
        if self.png:
            decoded = [np.asarray(Image.open(io.BytesIO(file)), dtype=np.uint8) for file in self.png]
            return np.stack(decoded).reshape(self.shape)
        if self.encoding == "float32":
            return np.frombuffer(self.data, dtype="<f4").reshape(self.shape)
        return np.frombuffer(self.data, dtype=np.uint8).reshape(self.shape)

    def to_uint8(self, value_range: tuple[float, float] = (-1.0, 1.0)) -> NDArray[np.uint8]:
        """Return the pixels as 0 to 255; `value_range` is the model's, needed for float32 only."""
        low, high = value_range
        pixels: NDArray[np.float32] = self.pixels.astype(np.float32)
        if self.pixels.dtype != np.uint8:
            pixels = np.clip(np.rint((pixels - low) * (255.0 / (high - low))), 0, 255)
        return pixels.astype(np.uint8)

    def to_pil(self, value_range: tuple[float, float] = (-1.0, 1.0)) -> list[Image.Image]:
        """Return a PIL image for each."""
        return [_pil_image(image) for image in self.to_uint8(value_range)]

    def to_grid(
        self, num_columns: int | None = None, padding: int = 2, value_range: tuple[float, float] = (-1.0, 1.0)
    ) -> Image.Image:
        """Return all images in one grid, row by row, as square as can be unless `num_columns` says otherwise."""
        return _pil_image(grid(self.to_uint8(value_range), num_columns, padding))


@dataclass(frozen=True, eq=False)
class Images(ImageBatch):
    """What a parallel model drew; image j comes from (seed, first_index + j).

    `labels` is the class of each image, empty if the model has none; `seed` is 0 with explicit latents. `timings` is
    there in a reply and in the last part of a stream. Same model, request, seed and `fingerprint`: same bytes.
    """

    labels: tuple[int, ...]
    seed: int
    first_index: int
    timings: Timings | None
    fingerprint: str = ""


def join(batches: Sequence[ImageBatch]) -> ImageBatch:
    """Return all images, which must have one size and encoding, in one batch."""
    first = batches[0]
    return ImageBatch(
        shape=(sum(map(len, batches)), *first.shape[1:]),
        encoding=first.encoding,
        data=b"".join(batch.data for batch in batches),
        png=tuple(file for batch in batches for file in batch.png),
    )


def join_parts(parts: Sequence[Images]) -> Images:
    """Return the parts of a stream, all of them in their order, as the one reply that they might have been."""
    batch = join(parts)
    labels = tuple(label for part in parts for label in part.labels)
    timings = parts[-1].timings
    return replace(parts[0], shape=batch.shape, data=batch.data, png=batch.png, labels=labels, timings=timings)


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the discriminator thinks: `scores` [number], higher is more like the training data; `features`
    [number, feature_dim]."""

    scores: NDArray[np.float32]
    features: NDArray[np.float32]
    timings: Timings


def grid(pixels: NDArray[np.uint8], num_columns: int | None, padding: int) -> NDArray[np.uint8]:
    """Return [number, height, width, channels] laid out as one [height, width, channels], black in between."""
    count, height, width, channels = pixels.shape
    columns = min(count, num_columns or math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    cell_height, cell_width = height + padding, width + padding
    canvas = np.zeros((rows * cell_height - padding, columns * cell_width - padding, channels), np.uint8)
    for index, image in enumerate(pixels):
        top, left = index // columns * cell_height, index % columns * cell_width
        canvas[top : top + height, left : left + width] = image
    return canvas


def _pil_image(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
