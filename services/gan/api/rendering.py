"""From domain results to reply messages, and where that work is done: here if it is short, in a thread if not."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from services.common.images.encoding import Encoding, raw_values
from services.common.images.messages import Pixels, describe_images, fill_image_batch
from services.gan.api.reply import SampleReply
from services.gan.discriminator import Verdict
from services.gan.drawing import Drawing
from services.gan.drawing_pass import Drawn
from tandem.gan.v1 import gan_pb2

T = TypeVar("T")

# Work on so many bytes, or on so many images, costs less than the way to another thread and back.
MAX_INLINE_BYTES = 256 * 1024
MAX_INLINE_IMAGES = 64
# So many bytes are copied by protobuf in less time than it takes to write around them.
_MAX_COPIED_BYTES = 16 * 1024


async def aside(num_images: int, work: Callable[..., T], *arguments: object) -> T:
    """Do the work for `num_images` without holding up others."""
    if num_images <= MAX_INLINE_IMAGES:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)


async def sample_reply(drawing: Drawing, parts: Sequence[Drawn], first_index: int) -> SampleReply:
    """Return the reply that carries what was drawn in `parts`, without timings."""
    message = gan_pb2.SampleResponse(seed=drawing.seed, first_index=first_index)
    for part in parts:
        if part.labels is not None:
            message.labels.extend(part.labels.tolist())
    pixels = [part.pixels for part in parts]
    if drawing.encoding == "png" or sum(each.nbytes for each in pixels) > MAX_INLINE_BYTES:
        return await asyncio.to_thread(_with_images, message, pixels, drawing.encoding)
    return _with_images(message, pixels, drawing.encoding)


def _with_images(message: gan_pb2.SampleResponse, pixels: Sequence[Pixels], encoding: Encoding) -> SampleReply:
    if encoding == "png" or sum(each.nbytes for each in pixels) <= _MAX_COPIED_BYTES:
        fill_image_batch(message.images, pixels, encoding)
        return SampleReply(message)
    describe_images(message.images, pixels, encoding)
    return SampleReply(message, raw_values(pixels))


def discriminate_response(verdicts: Sequence[Verdict]) -> gan_pb2.DiscriminateResponse:
    """Return the reply that carries the verdicts, without timings."""
    features = np.concatenate([verdict.features for verdict in verdicts])
    return gan_pb2.DiscriminateResponse(
        scores=np.concatenate([verdict.scores for verdict in verdicts]).tolist(),
        feature_dim=features.shape[1],
        features=features.ravel().tolist(),
    )
