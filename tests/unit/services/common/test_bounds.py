import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.bounds import check_bounds
from tandem.shared.errors import InvalidArgument


def check(values: np.ndarray, low: float = -2.0, high: float = 3.0) -> None:
    check_bounds(values, low, high, lambda place: f"field{list(place)}", "-2 to 3")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1e38, "1e+38"), (-3.4e38, "-3.4e+38"), (3.0000002, "3.0000002"), (np.nan, "nan"), (-np.inf, "-inf")],
)
def test_the_first_value_outside_is_named_by_its_place_as_it_was_sent(value, shown):
    values = np.zeros((2, 3), np.float32)
    values[1, 1:] = value
    with pytest.raises(InvalidArgument) as refused:
        check(values)
    assert str(refused.value) == f"field[1, 1]: {shown} is not accepted; accepted: -2 to 3"


def test_a_signalling_nan_is_refused_without_a_warning():
    with pytest.raises(InvalidArgument, match="nan"):
        check(np.frombuffer(struct.pack("<II", 0, 0x7F800001), "<f4"))


@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_exactly_what_lies_between_passes(numbers):
    values = np.array(numbers, np.float32)
    if all(-2.0 <= number <= 3.0 for number in numbers):
        check(values)
    else:
        with pytest.raises(InvalidArgument):
            check(values)
