"""Replies whose raw pixels stand beside the protobuf message, so that they are copied once: into the bytes that travel.

What is written is byte for byte what protobuf writes, which would copy the pixels into the message, into a buffer that
grows by doubling, and out of it again.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.common.v1 import images_pb2, timings_pb2
from tandem.gan.v1 import gan_pb2

Chunk = bytes | memoryview

_LENGTH_DELIMITED = 2
_DATA = images_pb2.ImageBatch.DATA_FIELD_NUMBER
_IMAGES = gan_pb2.SampleResponse.IMAGES_FIELD_NUMBER
_PART = gan_pb2.SampleStreamResponse.PART_FIELD_NUMBER


class SampleReply:
    """A SampleResponse; `values` are the raw pixels of its images in the order of their shape, None if it has all."""

    def __init__(self, message: gan_pb2.SampleResponse, values: npt.NDArray[Any] | None = None) -> None:
        self.message = message
        self._values = values

    @property
    def images(self) -> images_pb2.ImageBatch:
        return self.message.images

    @property
    def timings(self) -> timings_pb2.Timings:
        return self.message.timings

    def SerializeToString(self) -> bytes:
        return b"".join(self.chunks())

    def chunks(self) -> Sequence[Chunk]:
        """Return what to write, in pieces."""
        if self._values is None:
            return [self.message.SerializeToString()]
        images = [
            self.message.images.SerializeToString(),
            *_field(_DATA, [self._values.reshape(-1).view(np.uint8).data]),
        ]
        rest = gan_pb2.SampleResponse()
        rest.CopyFrom(self.message)
        rest.ClearField("images")
        return [*_field(_IMAGES, images), rest.SerializeToString()]


class SamplePart:
    """A SampleStreamResponse."""

    def __init__(self, part: SampleReply) -> None:
        self.part = part

    def SerializeToString(self) -> bytes:
        return b"".join(_field(_PART, self.part.chunks()))


def _field(number: int, content: Sequence[Chunk]) -> list[Chunk]:
    """Return a field of bytes, or of a message, with its tag and its length before it."""
    return [_varint(number << 3 | _LENGTH_DELIMITED) + _varint(sum(map(len, content))), *content]


def _varint(value: int) -> bytes:
    """Return a whole number, >= 0, seven bits a byte, the lowest first."""
    groups = []
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
