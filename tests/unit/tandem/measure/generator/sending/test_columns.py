"""Paths of fields become numbers on the wire; a wrong path is named."""

import pytest

from tandem.gan.v1 import gan_pb2
from tandem.measure.generator.sending.columns import Take, column
from tandem.measure.generator.sending.native_sender import timeout_text

REPLY = gan_pb2.SampleResponse.DESCRIPTOR


@pytest.mark.parametrize("path", ["nope", "images.nope", "images.shape.nope"])
def test_a_path_that_is_none_is_named(path):
    with pytest.raises(ValueError, match="there is no field 'nope'"):
        column(REPLY, path, Take.COUNT)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "250000u"), (99.999999, "99999999u"), (100.0, "100000m"), (1e6, "1000000S"), (1e-9, "1u")],
)
def test_a_deadline_has_at_most_eight_digits(seconds, text):
    assert timeout_text(seconds) == text
    assert len(text) <= 9
