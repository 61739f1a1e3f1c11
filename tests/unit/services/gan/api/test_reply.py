"""Replies with their pixels beside them are, on the wire, what protobuf writes of the whole message."""

import numpy as np
import pytest

from services.common.images.messages import fill_image_batch
from services.gan.api.reply import SamplePart, sample_reply
from services.gan.generator_batch import ImageSlice
from services.gan.image_request import ImageRequest
from tandem.common.v1 import timings_pb2
from tandem.gan.v1 import gan_pb2

SHAPES = [(1, 1, 1, 1), (2, 4, 3, 1), (1, 8, 16, 1), (3, 64, 64, 3), (5, 300, 300, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("encoding", ["uint8", "float32", "png"])
@pytest.mark.parametrize("is_full", [True, False])
def test_bytes_are_those_of_protobuf(shape, encoding, is_full):
    """Lengths of one byte, of two and of three; numbers that are 0 are not written; slices of larger batches."""
    dtype = "float32" if encoding == "float32" else "uint8"
    pixels = np.random.default_rng(1).integers(0, 256, (shape[0] + 1, *shape[1:])).astype(dtype)
    labels = np.arange(shape[0] + 1) if is_full else None
    request = ImageRequest(shape[0], 8, 4, encoding, seed=2**64 - 1 if is_full else 0)
    cuts = [slice(1, 2), slice(2, None)] if shape[0] > 1 else [slice(1, 2)]
    slices = [ImageSlice(pixels[cut], None if labels is None else labels[cut]) for cut in cuts]
    first_index, fingerprint = (300, "f-1") if is_full else (0, "")
    reply, whole = sample_reply(request, slices, first_index, fingerprint), gan_pb2.SampleStreamResponse()
    fields = {"seed": request.seed, "first_index": first_index, "fingerprint": fingerprint}
    whole.part.CopyFrom(gan_pb2.SampleResponse(**fields, labels=[] if labels is None else labels[1:].tolist()))
    fill_image_batch(whole.part.images, [pixels[1:]], encoding)
    if is_full:
        for timings in (reply.timings, whole.part.timings):
            timings.CopyFrom(timings_pb2.Timings(queue_seconds=0.5, total_seconds=2))
    assert reply.SerializeToString() == whole.part.SerializeToString()
    assert SamplePart(reply).SerializeToString() == whole.SerializeToString()
    assert reply.images.shape[0] == shape[0]
