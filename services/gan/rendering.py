"""From domain results to reply messages, and where that work is done: here if it is short, in a thread if not."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from runtime.metrics import Timings
from runtime.models import ImageSpec
from services.gan.discriminator import Verdict
from services.gan.drawing import Drawing
from services.gan.generator import Latents
from services.gan.images import Images, encode_png, encode_raw
from tandem.common.v1 import timings_pb2
from tandem.gan.v1 import gan_pb2

T = TypeVar("T")

# For so many images the work costs less than the way to another thread and back.
MAX_INLINE_IMAGES = 64
PROTO_ENCODINGS = {
    "uint8": gan_pb2.ENCODING_RAW_UINT8,
    "float32": gan_pb2.ENCODING_RAW_FLOAT32,
    "png": gan_pb2.ENCODING_PNG,
}


async def aside(num_images: int, work: Callable[..., T], *arguments: object) -> T:
    """Do the work for `num_images` without holding up others."""
    if num_images <= MAX_INLINE_IMAGES:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)


async def sample_response(
    spec: ImageSpec, wanted: Drawing, latents: Latents, parts: Sequence[Images], first_index: int
) -> gan_pb2.SampleResponse:
    """Return the reply that carries the images in `parts`, without timings."""
    images = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return gan_pb2.SampleResponse(
        images=await _image_batch(spec, wanted, images),
        labels=None if latents.labels is None else latents.labels.tolist(),
        seed=wanted.seed,
        first_index=first_index,
    )


async def _image_batch(spec: ImageSpec, wanted: Drawing, images: Images) -> gan_pb2.ImageBatch:
    encoding = PROTO_ENCODINGS[wanted.encoding]
    if wanted.encoding == "png":
        files = await asyncio.to_thread(encode_png, images, spec.value_range)
        return gan_pb2.ImageBatch(shape=images.shape, encoding=encoding, png=files)
    data = await aside(len(images), encode_raw, images, wanted.encoding, spec.value_range)
    return gan_pb2.ImageBatch(shape=images.shape, encoding=encoding, data=data)


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
