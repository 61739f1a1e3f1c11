"""The floats of checkpoints."""

import ml_dtypes
import numpy as np
import pytest

from services.ar.model.arrays import _AT_ONCE, FLOATS, all_finite


@pytest.mark.parametrize("name", FLOATS)
def test_what_is_not_finite_is_found_wherever_it_is(name):
    largest = ml_dtypes.finfo(FLOATS[name]).max
    values = np.array([largest, -largest, 0, -0.0, ml_dtypes.finfo(FLOATS[name]).smallest_subnormal])
    values = np.resize(values.astype(FLOATS[name]), 2 * _AT_ONCE + 6)
    for value in (np.nan, -np.nan, np.inf, -np.inf):
        for place in (0, _AT_ONCE - 1, _AT_ONCE, -1):
            bad = values.copy()
            bad[place] = value
            assert [all_finite(values), all_finite(values.reshape(2, -1).T)] == [True, True]
            assert [all_finite(bad), all_finite(bad.reshape(2, -1).T)] == [False, False], (value, place)


def test_whole_numbers_and_nothing_are_finite():
    assert all_finite(np.array([-1, 2**31 - 1], np.int32))
    assert all_finite(np.zeros((0, 3), np.float16))
    assert all_finite(np.float32(1).reshape(()))
