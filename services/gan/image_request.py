"""What a request asks a generator for, checked and complete. Knows neither protobuf nor the model's file."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.common.images.encoding import Encoding
from services.gan.latents import draw_labels, draw_latents


@dataclass(slots=True)
class ImageRequest:
    """`count` images; image i is drawn from row i of `explicit_vectors`, or from (seed, i)."""

    count: int
    latent_dim: int
    num_classes: int
    encoding: Encoding
    seed: int = 0
    truncation: float | None = None
    explicit_labels: npt.NDArray[np.int64] | None = None  # [count]; None: drawn from (seed, i), if there are classes
    explicit_vectors: npt.NDArray[np.float32] | None = None  # [count, latent_dim]; None: drawn from (seed, i)

    @property
    def is_plain(self) -> bool:
        """Whether the vectors come from the seed alone."""
        return self.explicit_vectors is None and self.truncation is None

    def vectors(self, rows: range) -> npt.NDArray[np.float32]:
        """Return the latents [len(rows), latent_dim] of the images `rows`."""
        if self.explicit_vectors is not None:
            return self.explicit_vectors[rows.start : rows.stop]
        return draw_latents(self.seed, rows.start, len(rows), self.latent_dim, self.truncation)

    def labels(self, rows: range) -> npt.NDArray[np.int64]:
        """Return the classes [len(rows)] of the images `rows`; for a model with classes."""
        if self.explicit_labels is not None:
            return self.explicit_labels[rows.start : rows.stop]
        return draw_labels(self.seed, rows.start, len(rows), self.num_classes)


Part = tuple[ImageRequest, range]
"""Images of a request, by index: what the generator's batcher queues."""
