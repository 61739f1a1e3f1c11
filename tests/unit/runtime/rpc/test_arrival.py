"""How long a call was on its way, from one header: only a well-formed time counts, and no more than ten minutes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.rpc.arrival import ARRIVED_METADATA, MAX_WAIT_SECONDS, arrival_wait_seconds
from runtime.rpc.caller import metadata_of

NOW = 1_764_153_023.5


def wait(*values: str | bytes) -> float:
    return arrival_wait_seconds(
        metadata_of([("user-agent", "grpc"), *((ARRIVED_METADATA, each) for each in values)]), NOW
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1764153023.250000", 0.25),
        ("1764153023", 0.5),
        ("1764153023.500000", 0.0),
        ("1764153024.000000", 0.0),  # of a clock that is ahead
        ("1", MAX_WAIT_SECONDS),
        ("0", 0.0),  # not told
        ("1764152423.500000", 600.0),
    ],
)
def test_the_wait_is_between_nothing_and_ten_minutes(value: str, seconds: float) -> None:
    assert wait(value) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "value",
    ["", "-1", "+1764153023", "1e9", "nan", "inf", "1764153023.", ".5", "1764153023.5 ", "1_764", "0x10", "٣", b"1"],
)
def test_what_is_no_number_of_seconds_counts_as_nothing(value: str | bytes) -> None:
    assert wait(value) == 0.0


@given(value=st.text(max_size=40))
def test_no_text_raises_or_leaves_the_bounds(value: str) -> None:
    assert 0.0 <= wait(value) <= MAX_WAIT_SECONDS
