import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from services.common.finite import finite_parts, split


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("output", [0, 1])
def test_one_bad_number_in_any_output_marks_its_own_part(bad, output):
    outputs = np.zeros((6, 2, 2, 1), np.float32), np.zeros(6, np.float32)
    assert finite_parts([1, 3, 2], *outputs) == [True, True, True]
    outputs[output][3] = bad
    assert finite_parts([1, 3, 2], *outputs) == [True, False, True]


def test_huge_numbers_whose_sum_overflows_are_finite():
    assert finite_parts([2, 2], np.full((4, 8), 3e38, np.float32)) == [True, True]


def test_outputs_without_columns_are_finite():
    scores = np.array([0.0, np.nan], np.float32)
    assert finite_parts([1, 1], scores, np.empty((2, 0), np.float32)) == [True, False]


@given(
    arrays.arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(0, 3)), elements=st.floats(width=32)),
    st.data(),
)
def test_parts_are_those_of_each_alone(rows, data):
    stops = [*sorted(data.draw(st.sets(st.integers(1, len(rows)))) | {len(rows)})]
    sizes = np.diff([0, *stops]).tolist()
    parts = split(rows, sizes)
    assert [len(part) for part in parts] == sizes
    assert finite_parts(sizes, rows) == [bool(np.isfinite(part).all()) for part in parts]
