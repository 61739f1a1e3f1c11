"""The discriminator: images (and classes) to a score and features each. Knows nothing of requests or bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from services.common.batching.request import Slice
from services.common.diversity.windows import Features
from services.common.images.encoding import Images
from services.common.runtimes.session import Session, describe, finite_parts, label_input, main_input
from tandem.shared.errors import ModelFault
from tandem.shared.model_spec import ImageSpec
from tandem.shared.models import ModelError

Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DiscriminatorInputs:
    """What a discriminator judges."""

    images: Images  # [N, H, W, C]
    labels: npt.NDArray[np.int64] | None  # [N], None for a model without classes


@dataclass(frozen=True)
class Verdict:
    """What it says of them."""

    scores: Float32s  # [N]
    features: Float32s  # [N, feature_dim]


class Discriminator:
    """One instance of a discriminator; one call at a time. Raises ModelError if it does not fit `spec`."""

    def __init__(self, session: Session, spec: ImageSpec) -> None:
        self._session = session
        height, width, channels = spec.shape
        shapes = ((channels, height, width), (height, width, channels))
        self._image = main_input(session.inputs, shapes, "image")
        self._channels_first = self._image.shape[1] == channels
        self._label = label_input(session.inputs, self._image, len(spec.class_names))
        self._outputs = [each.name for each in session.outputs[:2]]
        self.feature_dim = self._check(self.judge(blank(spec, 2))).features.shape[1]

    @property
    def providers(self) -> list[str]:
        return self._session.providers

    def judge(self, inputs: DiscriminatorInputs) -> Verdict:
        """Return a score and the features of each image; a model with one output has features [N, 0]."""
        images = inputs.images.transpose(0, 3, 1, 2) if self._channels_first else inputs.images
        feed: dict[str, npt.NDArray[Any]] = {self._image.name: np.ascontiguousarray(images)}
        if self._label is not None and inputs.labels is not None:
            feed[self._label.name] = self._label.feed(inputs.labels)
        scores, *features = self._session.run(feed, self._outputs)
        count = len(inputs.images)
        return Verdict(scores.reshape(-1), features[0] if features else np.empty((count, 0), dtype=np.float32))

    def judge_batch(self, batch: Sequence[Slice[DiscriminatorInputs, Verdict]]) -> list[Verdict | ModelFault]:
        """Return the verdict on each slice, found in one pass; ModelFault where it is not finite."""
        verdict = self.judge(_merge(batch))
        sizes = [part.num_samples for part in batch]
        is_finite = finite_parts(sizes, verdict.scores, verdict.features)
        rows = [slice(stop - size, stop) for size, stop in zip(sizes, accumulate(sizes), strict=True)]
        return [
            Verdict(verdict.scores[each], verdict.features[each]) if fine else ModelFault()
            for each, fine in zip(rows, is_finite, strict=True)
        ]

    def look(self, images: Images, labels: npt.NDArray[np.int64]) -> Features:
        """Return the features: what the diversity watch looks with; classes are left out by a model without."""
        return self.judge(DiscriminatorInputs(images, labels)).features

    def _check(self, verdict: Verdict) -> Verdict:
        if verdict.scores.shape != (2,) or verdict.features.ndim != 2 or len(verdict.features) != 2:
            found = describe(self._session.outputs)
            raise ModelError(f"expected outputs score [batch] and features [batch, F], found {found}")
        return verdict


def blank(spec: ImageSpec, count: int) -> DiscriminatorInputs:
    """Return `count` images of zeros, for warming up."""
    labels = np.zeros(count, dtype=np.int64) if spec.class_names else None
    return DiscriminatorInputs(np.zeros((count, *spec.shape), dtype=np.float32), labels)


def _merge(batch: Sequence[Slice[DiscriminatorInputs, Verdict]]) -> DiscriminatorInputs:
    images = np.concatenate([part.payload.images[part.start : part.stop] for part in batch])
    labels = [p.payload.labels[p.start : p.stop] for p in batch if p.payload.labels is not None]
    return DiscriminatorInputs(images, np.concatenate(labels) if labels else None)
