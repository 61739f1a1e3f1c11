"""What a request asks to draw, checked and complete. Knows neither protobuf nor the model's file."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.gan.generator import Latents
from services.gan.images import Encoding
from services.gan.latents import draw_labels, draw_latents


@dataclass(frozen=True)
class Drawing:
    """`count` images; image i is drawn from row i of `vectors`, or from (seed, i)."""

    count: int
    latent_dim: int
    num_classes: int
    encoding: Encoding
    seed: int = 0
    truncation: float | None = None
    labels: npt.NDArray[np.int64] | None = None  # [count]; None: drawn from (seed, i), if there are classes
    vectors: npt.NDArray[np.float32] | None = None  # [count, latent_dim]; None: drawn from (seed, i)

    def latents(self, first_index: int, count: int) -> Latents:
        """Return what images first_index to first_index + count - 1 are drawn from."""
        rows = slice(first_index, first_index + count)
        if self.vectors is not None:
            vectors = self.vectors[rows]
        else:
            vectors = draw_latents(self.seed, first_index, count, self.latent_dim, self.truncation)
        if self.labels is not None:
            return Latents(vectors, self.labels[rows])
        labels = draw_labels(self.seed, first_index, count, self.num_classes) if self.num_classes else None
        return Latents(vectors, labels)
