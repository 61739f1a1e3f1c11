"""Replies with their pixels beside them are, on the wire, what protobuf writes of the whole message."""

import numpy as np
import pytest

from services.common.images.encoding import raw_values
from services.common.images.messages import describe_images, fill_image_batch
from services.gan.api.reply import SamplePart, SampleReply
from tandem.common.v1 import timings_pb2
from tandem.gan.v1 import gan_pb2

SHAPES = [(1, 1, 1, 1), (2, 4, 3, 1), (1, 8, 16, 1), (3, 64, 64, 3), (5, 300, 300, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("encoding", ["uint8", "float32"])
@pytest.mark.parametrize("is_full", [True, False])
def test_bytes_are_those_of_protobuf(shape, encoding, is_full):
    """Lengths of one byte, of two and of three; numbers that are 0 are not written."""
    pixels = np.random.default_rng(1).integers(0, 256, shape).astype(encoding)
    fields = {"seed": 2**64 - 1, "first_index": 300, "labels": list(range(shape[0]))} if is_full else {}
    message, whole = gan_pb2.SampleResponse(**fields), gan_pb2.SampleStreamResponse()
    describe_images(message.images, [pixels], encoding)
    whole.part.CopyFrom(gan_pb2.SampleResponse(**fields))
    fill_image_batch(whole.part.images, [pixels], encoding)
    reply = SampleReply(message, raw_values([pixels]))
    if is_full:
        for timings in (reply.timings, whole.part.timings):
            timings.CopyFrom(timings_pb2.Timings(queue_seconds=0.5, total_seconds=2))
    assert reply.SerializeToString() == whole.part.SerializeToString()
    assert SamplePart(reply).SerializeToString() == whole.SerializeToString()


def test_a_message_that_has_all_is_written_as_it_is():
    whole = gan_pb2.SampleStreamResponse()
    fill_image_batch(whole.part.images, [np.zeros((2, 4, 4, 3), np.uint8)], "png")
    reply = SampleReply(whole.part)
    assert reply.SerializeToString() == whole.part.SerializeToString()
    assert SamplePart(reply).SerializeToString() == whole.SerializeToString()
