"""From domain results to reply messages, and where that work is done: here if it is short, in a thread if not."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from runtime.metrics import Timings
from services.common.image_messages import image_batch
from services.gan.discriminator import Verdict
from services.gan.drawing import Drawing
from services.gan.drawing_pass import Drawn
from tandem.common.v1 import timings_pb2
from tandem.gan.v1 import gan_pb2

T = TypeVar("T")

# For so many images the work costs less than the way to another thread and back.
MAX_INLINE_IMAGES = 64


async def aside(num_images: int, work: Callable[..., T], *arguments: object) -> T:
    """Do the work for `num_images` without holding up others."""
    if num_images <= MAX_INLINE_IMAGES:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)


async def sample_response(drawing: Drawing, parts: Sequence[Drawn], first_index: int) -> gan_pb2.SampleResponse:
    """Return the reply that carries what was drawn in `parts`, without timings."""
    drawn = parts[0] if len(parts) == 1 else _joined(parts)
    if drawing.encoding == "png":
        batch = await asyncio.to_thread(image_batch, drawn.pixels, drawing.encoding)
    else:
        batch = image_batch(drawn.pixels, drawing.encoding)
    labels = None if drawn.labels is None else drawn.labels.tolist()
    return gan_pb2.SampleResponse(images=batch, labels=labels, seed=drawing.seed, first_index=first_index)


def _joined(parts: Sequence[Drawn]) -> Drawn:
    labels = [part.labels for part in parts if part.labels is not None]
    pixels = np.concatenate([part.pixels for part in parts])
    return Drawn(pixels, np.concatenate(labels) if labels else None)


def discriminate_response(verdicts: Sequence[Verdict]) -> gan_pb2.DiscriminateResponse:
    """Return the reply that carries the verdicts, without timings."""
    features = np.concatenate([verdict.features for verdict in verdicts])
    return gan_pb2.DiscriminateResponse(
        scores=np.concatenate([verdict.scores for verdict in verdicts]).tolist(),
        feature_dim=features.shape[1],
        features=features.ravel().tolist(),
    )


def timings_message(timings: Timings) -> timings_pb2.Timings:
    return timings_pb2.Timings(**vars(timings))
