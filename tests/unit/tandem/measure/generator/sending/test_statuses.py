"""One set of categories for both protocols."""

import pytest

from tandem.measure.generator.sending.statuses import code_of_http
from tandem.measure.results.record import CODE_NAMES


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (200, "OK"),
        (206, "OK"),
        (302, "UNKNOWN"),
        (418, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (502, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (599, "INTERNAL"),
    ],
)
def test_statuses(status: int, name: str) -> None:
    assert CODE_NAMES[code_of_http(status)] == name
