"""Paths of fields become numbers on the wire; a wrong path is named."""

import numpy as np
import pytest
from google.protobuf.message import DecodeError

from tandem.ar.v1 import ar_pb2
from tandem.common.v1.images_pb2 import ImageBatch
from tandem.common.v1.timings_pb2 import Timings
from tandem.gan.v1 import gan_pb2
from tandem.measure.generator.sending.columns import WHOLE_MESSAGE, ColumnReader, Form, Take, column
from tandem.measure.generator.sending.native_sender import timeout_text

REPLY = gan_pb2.SampleResponse.DESCRIPTOR


def test_a_path_is_that_of_the_descriptor():
    found = column(REPLY, "timings.total_seconds", Take.LAST)
    timings = REPLY.fields_by_name["timings"]
    assert found.path == (timings.number, timings.message_type.fields_by_name["total_seconds"].number)
    assert found.forms == (Form.BLOCK, Form.FLOATING64)


@pytest.mark.parametrize("path", ["nope", "images.nope", "images.shape.nope"])
def test_a_path_that_is_none_is_named(path):
    with pytest.raises(ValueError, match="there is no field 'nope'"):
        column(REPLY, path, Take.COUNT)


@pytest.mark.parametrize("raw", [b"\x0a", b"\x0a\x05abc", b"\x00", b"\x0b", b"\x08" + b"\xff" * 11])
def test_bytes_that_are_no_message_are_told(raw):
    reader = ColumnReader([column(ar_pb2.GenerateResponse.DESCRIPTOR, "token_ids", Take.COUNT)])
    with pytest.raises(DecodeError):
        reader.read(raw, reader.initial())


def test_a_reader_adds_up_what_messages_say():
    paths = (("labels", Take.COUNT), ("images.shape", Take.FIRST), ("timings.total_seconds", Take.LAST))
    reader = ColumnReader([*(column(REPLY, path, take) for path, take in paths), WHOLE_MESSAGE])
    values = reader.initial()
    first = gan_pb2.SampleResponse(labels=[3, 4], images=ImageBatch(shape=[2, 28, 28, 1])).SerializeToString()
    assert reader.keeps
    reader.read(first, values)
    np.testing.assert_array_equal(values, [2, 2, np.nan, 0])
    last = gan_pb2.SampleResponse(labels=[0], images=ImageBatch(shape=[1]), timings=Timings(total_seconds=0.5))
    reader.read(last.SerializeToString(), values)
    reader.read(b"", values)
    assert values == [3, 3, 0.5, 0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "250000u"), (99.999999, "99999999u"), (100.0, "100000m"), (1e6, "1000000S"), (1e-9, "1u")],
)
def test_a_deadline_has_at_most_eight_digits(seconds, text):
    assert timeout_text(seconds) == text
    assert len(text) <= 9
