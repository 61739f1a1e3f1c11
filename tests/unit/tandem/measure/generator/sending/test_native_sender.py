import pytest

from tandem.measure.generator.sending.native_sender import timeout_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "250000u"), (99.999999, "99999999u"), (100.0, "100000m"), (1e6, "1000000S"), (1e-9, "1u")],
)
def test_a_deadline_has_at_most_eight_digits(seconds, text):
    assert timeout_text(seconds) == text
    assert len(text) <= 9
