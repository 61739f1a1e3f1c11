"""The generator: latents (and classes) to images, whatever names, layouts and label types its ONNX file has.

Knows nothing of requests or bytes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.common.images.encoding import Images
from services.common.runtimes.session import Session, channels_last, label_input, layout_of, main_input
from services.gan.latents import draw_labels, draw_latents
from tandem.shared.model_spec import ImageSpec


@dataclass(frozen=True)
class Latents:
    """What a generator draws from."""

    vectors: npt.NDArray[np.float32]  # [N, latent_dim]
    labels: npt.NDArray[np.int64] | None  # [N], None for a model without classes


class Generator:
    """One instance of a generator; one call at a time. Raises ModelError if it does not fit `spec`."""

    def __init__(self, session: Session, spec: ImageSpec) -> None:
        self._session = session
        # [B, latent_dim], or [B, latent_dim, 1, 1] as DCGANs have it.
        shapes = ((spec.latent_dim,), (spec.latent_dim, 1, 1))
        self._latent = main_input(session.inputs, shapes, "latent")
        self._label = label_input(session.inputs, self._latent, len(spec.class_names))
        self._output = session.outputs[0].name
        self._layout = layout_of(self._run(blank(spec, 2)), session.outputs, spec)

    def draw(self, latents: Latents) -> Images:
        """Return images [N, H, W, C] in the model's own range."""
        return channels_last(self._run(latents), self._layout)

    def feed(self, latents: Latents) -> dict[str, npt.NDArray[Any]]:
        """Return the latents (and classes) as the model wants them."""
        rank = len(self._latent.shape)
        vectors = latents.vectors if rank == 2 else latents.vectors[:, :, None, None]
        feed: dict[str, npt.NDArray[Any]] = {self._latent.name: vectors}
        if self._label is not None and latents.labels is not None:
            feed[self._label.name] = self._label.feed(latents.labels)
        return feed

    def _run(self, latents: Latents) -> npt.NDArray[Any]:
        (images,) = self._session.run(self.feed(latents), [self._output])
        return images


def blank(spec: ImageSpec, count: int) -> Latents:
    """Return `count` latents of zeros, for warming up."""
    labels = np.zeros(count, dtype=np.int64) if spec.class_names else None
    return Latents(np.zeros((count, spec.latent_dim), dtype=np.float32), labels)


def probe(spec: ImageSpec, count: int) -> Latents:
    """Return latents (and classes) such as requests have, to try a generator with."""
    labels = draw_labels(0, 0, count, len(spec.class_names)) if spec.class_names else None
    return Latents(draw_latents(0, 0, count, spec.latent_dim), labels)
