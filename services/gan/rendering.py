"""From domain results to reply messages, and where that work is done: here if it is short, in a thread if not."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from runtime.metrics import Timings
from services.common.image_messages import fill_image_batch
from services.gan.discriminator import Verdict
from services.gan.drawing import Drawing
from services.gan.drawing_pass import Drawn
from tandem.common.v1 import timings_pb2
from tandem.gan.v1 import gan_pb2

T = TypeVar("T")

# Work on so many bytes, or on so many images, costs less than the way to another thread and back.
MAX_INLINE_BYTES = 256 * 1024
MAX_INLINE_IMAGES = 64


async def aside(num_images: int, work: Callable[..., T], *arguments: object) -> T:
    """Do the work for `num_images` without holding up others."""
    if num_images <= MAX_INLINE_IMAGES:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)


async def fill_response(
    response: gan_pb2.SampleResponse, drawing: Drawing, parts: Sequence[Drawn], first_index: int
) -> None:
    """Put what was drawn in `parts` into an empty reply, without timings."""
    pixels = [part.pixels for part in parts]
    if drawing.encoding == "png" or sum(each.nbytes for each in pixels) > MAX_INLINE_BYTES:
        await asyncio.to_thread(fill_image_batch, response.images, pixels, drawing.encoding)
    else:
        fill_image_batch(response.images, pixels, drawing.encoding)
    for part in parts:
        if part.labels is not None:
            response.labels.extend(part.labels.tolist())
    response.seed, response.first_index = drawing.seed, first_index


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
