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
PIXELS = np.random.default_rng(0).integers(0, 256, (8, *SHAPE), dtype=np.uint8)
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


def expected(reply, pixels) -> tuple[bytes, bytes]:
    """Return the message and what was served, as protobuf writes them."""
    _, seed, _, label, *seconds, batch_size, wait = reply
    named = {f"{name}_seconds": value for name, value in zip(FIELDS, seconds, strict=True)}
    timings = timings_pb2.Timings(**named, mean_batch_size=batch_size)
    images = images_pb2.ImageBatch(shape=(1, *SHAPE), encoding=1, data=pixels.tobytes())
    labels = [label] if label >= 0 else []
    message = gan_pb2.SampleResponse(images=images, labels=labels, seed=seed, timings=timings, fingerprint="f-1")
    served = served_pb2.Served(
        model="tiny",
        outputs=1,
        first_outputs=1,
        timings=timings,
        backend_seconds=named["total_seconds"],
        arrival_wait_seconds=wait,
    )
    return message.SerializeToString(), served.SerializeToString()


REPLY = st.tuples(
    st.integers(1, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 7),
    st.integers(-1, 2**31 - 1),
    *[SECONDS] * 5,
    st.floats(1.0, 64.0),
    SECONDS,
)


@given(st.lists(REPLY, min_size=1, max_size=9))
def test_replies_have_the_bytes_of_protobuf(writer, rows):
    replies = [(call, seed, PIXELS[row].ctypes.data, *rest) for call, seed, row, *rest in rows]
    written = writer.write(replies)
    records = (Finished * len(rows)).from_address(written.records)
    sizes = 0
    for reply, row, record, served in zip(replies, rows, records, written.served, strict=True):
        message, told = expected(reply, PIXELS[row[2]])
        assert record.call == reply[0]
        assert ctypes.string_at(record.message, record.message_size) == message
        assert served == told
        assert ctypes.string_at(record.trailers, record.trailers_size) == trailers(0, "", [(SERVED_METADATA, told)])
        sizes += len(message)
    assert written.num_bytes == sizes
