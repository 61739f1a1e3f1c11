"""From what a model computed to reply messages.

Raw pixels stand beside the protobuf message, so that they are copied once: into the bytes that travel. What is written
is byte for byte what protobuf writes, which would copy the pixels into the message, into a buffer that grows by
doubling, and out of it again; and what replies of one shape have in common is written once.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from services.common.images.encoding import Encoding, raw_bytes
from services.common.images.messages import describe_images, fill_image_batch
from services.gan.discriminator import Verdict
from services.gan.generator_batch import ImageSlice
from services.gan.image_request import ImageRequest
from tandem.common.v1 import images_pb2, timings_pb2
from tandem.gan.v1 import gan_pb2

# Work on so many bytes costs less than the way to another thread and back.
_MAX_INLINE_BYTES = 256 * 1024

_LENGTH_DELIMITED = 2
_DATA = images_pb2.ImageBatch.DATA_FIELD_NUMBER
_IMAGES = gan_pb2.SampleResponse.IMAGES_FIELD_NUMBER
_PART = gan_pb2.SampleStreamResponse.PART_FIELD_NUMBER


class SampleReply:
    """A SampleResponse; `values` are the bytes of its images in raw encodings, which `message` is without."""

    def __init__(
        self, message: gan_pb2.SampleResponse, images: images_pb2.ImageBatch, head: bytes = b"", values: bytes = b""
    ) -> None:
        """`images` describes the images; `head` is what stands before the values."""
        self.message = message
        self.images = images
        self._head = head
        self._values = values

    @property
    def timings(self) -> timings_pb2.Timings:
        return self.message.timings

    def SerializeToString(self) -> bytes:
        return b"".join(self.chunks())

    def chunks(self) -> Sequence[bytes]:
        """Return what to write, in pieces."""
        return (self._head, self._values, self.message.SerializeToString())


class SamplePart:
    """A SampleStreamResponse."""

    def __init__(self, part: SampleReply) -> None:
        self.part = part

    def SerializeToString(self) -> bytes:
        chunks = self.part.chunks()
        return b"".join((_head(_PART, sum(map(len, chunks))), *chunks))


def is_long(request: ImageRequest, slices: Sequence[ImageSlice]) -> bool:
    """Return whether `sample_reply` takes so long that it is worth a thread."""
    num_values = sum([part.pixels.nbytes for part in slices])
    return request.encoding == "png" or num_values > _MAX_INLINE_BYTES


def sample_reply(
    request: ImageRequest, slices: Sequence[ImageSlice], first_index: int, fingerprint: str
) -> SampleReply:
    """Return the reply that carries the images in `slices`, without timings."""
    message = gan_pb2.SampleResponse(seed=request.seed, first_index=first_index, fingerprint=fingerprint)
    for part in slices:
        if part.labels is not None:
            message.labels.extend(part.labels.tolist())
    pixels = [part.pixels for part in slices]
    if request.encoding == "png":
        fill_image_batch(message.images, pixels, request.encoding)
        return SampleReply(message, message.images)
    shape = pixels[0].shape if len(pixels) == 1 else (sum(map(len, pixels)), *pixels[0].shape[1:])
    return SampleReply(message, *_raw_images(shape, request.encoding), raw_bytes(pixels))


@lru_cache(maxsize=1024)
def _raw_images(shape: tuple[int, ...], encoding: Encoding) -> tuple[images_pb2.ImageBatch, bytes]:
    """Return images of a shape without their values, and all of the reply that stands before these."""
    images = images_pb2.ImageBatch()
    describe_images(images, shape, encoding)
    num_bytes = math.prod(shape) * (1 if encoding == "uint8" else 4)
    described = images.SerializeToString() + _head(_DATA, num_bytes)
    return images, _head(_IMAGES, len(described) + num_bytes) + described


def discriminate_response(verdicts: Sequence[Verdict]) -> gan_pb2.DiscriminateResponse:
    """Return the reply that carries the verdicts, without timings."""
    features = np.concatenate([verdict.features for verdict in verdicts])
    return gan_pb2.DiscriminateResponse(
        scores=np.concatenate([verdict.scores for verdict in verdicts]).tolist(),
        feature_dim=features.shape[1],
        features=features.ravel().tolist(),
    )


def _head(number: int, size: int) -> bytes:
    """Return what stands before the `size` bytes of a field of bytes, or of a message: its tag and its length."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(size)


def _varint(value: int) -> bytes:
    """Return a whole number, >= 0, seven bits a byte, the lowest first."""
    groups = []
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
