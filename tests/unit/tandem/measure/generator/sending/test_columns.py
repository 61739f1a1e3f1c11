"""Paths of fields become numbers on the wire; a wrong path is named."""

import pytest

from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.generator.sending.columns import Form, Take, column
from tandem.measure.generator.sending.field_walk import FieldWalk, Malformed
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


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\x0a", "does not end"),
        (b"\x0a\x05abc", "reaches out"),
        (b"\x00", "tag 0"),
        (b"\x0b", "tag 11"),
        (b"\x08" + b"\xff" * 11, "more than ten"),
    ],
)
def test_bytes_that_are_no_message_are_told(raw, why):
    walk = FieldWalk([column(ar_pb2.GenerateResponse.DESCRIPTOR, "token_ids", Take.COUNT)])
    with pytest.raises(Malformed, match=why):
        walk.read(raw, walk.initial())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "250000u"), (99.999999, "99999999u"), (100.0, "100000m"), (1e6, "1000000S"), (1e-9, "1u")],
)
def test_a_deadline_has_at_most_eight_digits(seconds, text):
    assert timeout_text(seconds) == text
    assert len(text) <= 9
