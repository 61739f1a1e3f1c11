"""Replies to plain requests for images of a model: see native/quick_replies.cpp, which writes them."""

from __future__ import annotations

import ctypes
import struct
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.gan.image_model import ImageModel
from tandem.common.v1 import images_pb2, served_pb2
from tandem.gan.v1 import gan_pb2

_REPLY = struct.Struct("=QQQQQ7d")


class _Shared(ctypes.Structure):
    """As quick_replies.cpp has it."""

    _fields_ = [
        ("shape", ctypes.c_char_p),
        ("shape_size", ctypes.c_uint64),
        ("image_bytes", ctypes.c_uint64),
        ("encoding", ctypes.c_char_p),
        ("encoding_size", ctypes.c_uint64),
        ("fingerprint", ctypes.c_char_p),
        ("fingerprint_size", ctypes.c_uint64),
        ("served", ctypes.c_char_p),
        ("served_size", ctypes.c_uint64),
    ]


Reply = tuple[int, int, int, int, int, float, float, float, float, float, float, float]
"""The call, the seed, the number of images, the addresses of their pixels and of their classes (0: there are none), the
seconds of queue, batch wait, compute, encode, and in all, the mean size of the batches, and the seconds from the proxy
until the call began."""


@dataclass(frozen=True, slots=True)
class Written:
    """`records` is what the server finishes the calls with, until the next time; `served` what each was served."""

    records: int
    num_bytes: int
    served: Sequence[bytes]


class QuickReplies:
    """Writes the replies of one model. Used by one thread."""

    def __init__(self, library: ctypes.PyDLL, model: ImageModel) -> None:
        height, width, channels = model.image.shape
        encoding = images_pb2.ImageBatch(encoding=images_pb2.ENCODING_RAW_UINT8).SerializeToString()
        # Behind the tag of a list of numbers, and its length in one byte.
        shape = images_pb2.ImageBatch(shape=(height, width, channels)).SerializeToString()[2:]
        fingerprint = gan_pb2.SampleResponse(fingerprint=model.fingerprint).SerializeToString()
        served = served_pb2.Served(model=model.name).SerializeToString()
        texts = [part for text in (encoding, fingerprint, served) for part in (text, len(text))]
        self._shared = _Shared(shape, len(shape), height * width * channels, *texts)
        self._write = library.tandem_gan_replies
        self._replies = library.tandem_gan_open_replies()
        weakref.finalize(self, library.tandem_gan_close_replies, self._replies)

    def write(self, replies: Sequence[Reply]) -> Written:
        """Write the replies; pixels and classes need to be there no longer."""
        packed = b"".join([_REPLY.pack(*reply) for reply in replies])
        served, num_bytes, ends = ctypes.c_void_p(), ctypes.c_uint64(), (ctypes.c_uint64 * len(replies))()
        records = self._write(
            self._replies, ctypes.byref(self._shared), packed, len(replies), ctypes.byref(served), ends, num_bytes
        )
        told = ctypes.string_at(served, ends[-1])
        parts = [told[begin:end] for begin, end in pairwise((0, *ends))]
        return Written(records, num_bytes.value, parts)
