import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.bounds import check_bounds, check_int
from tandem.shared.errors import InvalidArgument


def check(values: np.ndarray, low: float = -2.0, high: float = 3.0) -> None:
    check_bounds(values, low, high, lambda place: f"field{list(place)}", "-2 to 3")


def test_values_up_to_both_bounds_pass():
    check(np.array([[-2.0, 0.0], [1.5, 3.0]], np.float32))


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


@pytest.mark.parametrize("value", [1, 5])
def test_both_ends_are_accepted(value):
    assert check_int("count", value, 1, 5) == value


@pytest.mark.parametrize("value", [0, 6])
def test_beyond_them_the_range_is_named(value):
    with pytest.raises(InvalidArgument, match=f"count: {value} is not accepted; accepted: 1 to 5"):
        check_int("count", value, 1, 5)
