"""The compiled writer writes what protobuf writes, to the last byte."""

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http2.metadata import trailers
from runtime.rpc.served.trailer import SERVED_METADATA
from services.gan.api.quick.replies import QuickReplies
from services.gan.native.library import gan_library
from tandem.common.v1 import images_pb2, served_pb2, timings_pb2
from tandem.gan.v1 import gan_pb2

SHAPE = (5, 4, 3)
PIXELS = np.random.default_rng(0).integers(0, 256, (300, *SHAPE), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(0, 1000, 300)
SECONDS = st.floats(0.0, 600.0)
FIELDS = ("queue", "batch_wait", "compute", "encode", "total")


class Finished(ctypes.Structure):
    _fields_ = [
        ("call", ctypes.c_uint64),
        ("message", ctypes.c_void_p),
        ("message_size", ctypes.c_uint64),
        ("trailers", ctypes.c_void_p),
        ("trailers_size", ctypes.c_uint64),
    ]


@pytest.fixture(scope="module")
def writer() -> QuickReplies:
    model = SimpleNamespace(name="tiny", fingerprint="f-1", image=SimpleNamespace(shape=SHAPE))
    return QuickReplies(gan_library(), model)


def expected(reply, pixels, labels) -> tuple[bytes, bytes]:
    """Return the message and what was served, as protobuf writes them."""
    _, seed, count, _, _, *seconds, batch_size, wait = reply
    named = {f"{name}_seconds": value for name, value in zip(FIELDS, seconds, strict=True)}
    timings = timings_pb2.Timings(**named, mean_batch_size=batch_size)
    images = images_pb2.ImageBatch(shape=(count, *SHAPE), encoding=1, data=pixels.tobytes())
    message = gan_pb2.SampleResponse(images=images, labels=labels, seed=seed, timings=timings, fingerprint="f-1")
    served = served_pb2.Served(
        model="tiny",
        outputs=count,
        first_outputs=count,
        timings=timings,
        backend_seconds=named["total_seconds"],
        arrival_wait_seconds=wait,
    )
    return message.SerializeToString(), served.SerializeToString()


REPLY = st.tuples(
    st.integers(1, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(1, 200),  # images
    st.integers(0, 100),  # the first of them
    st.booleans(),  # with classes
    *[SECONDS] * 5,
    st.floats(1.0, 64.0),
    SECONDS,
)


@given(st.lists(REPLY, min_size=1, max_size=9))
def test_replies_have_the_bytes_of_protobuf(writer, rows):
    replies = [
        (call, seed, count, PIXELS[first:].ctypes.data, LABELS[first:].ctypes.data if has_classes else 0, *rest)
        for call, seed, count, first, has_classes, *rest in rows
    ]
    written = writer.write(replies)
    records = (Finished * len(rows)).from_address(written.records)
    sizes = 0
    for reply, row, record, served in zip(replies, rows, records, written.served, strict=True):
        _, _, count, first, has_classes, *_ = row
        shown = slice(first, first + count)
        message, told = expected(reply, PIXELS[shown], LABELS[shown] if has_classes else [])
        assert record.call == reply[0]
        assert ctypes.string_at(record.message, record.message_size) == message
        assert served == told
        assert ctypes.string_at(record.trailers, record.trailers_size) == trailers(0, "", [(SERVED_METADATA, told)])
        sizes += len(message)
    assert written.num_bytes == sizes
