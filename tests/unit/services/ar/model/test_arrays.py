"""The floats of checkpoints, and arrays filled up."""

import numpy as np
import pytest

from services.ar.model.arrays import FLOATS, padded, shifted_left


@pytest.mark.parametrize("name", FLOATS)
def test_types_have_the_names_that_checkpoints_give_them(name):
    assert FLOATS[name].name == name


def test_bfloat16_rounds_to_the_nearest_even():
    values = np.array([1 + 2**-8, 1 + 3 * 2**-8, -(1 + 2**-7)], np.float32)
    assert values.astype(FLOATS["bfloat16"]).astype(np.float32).tolist() == [1, 1 + 2**-6, -(1 + 2**-7)]


def test_the_last_axis_is_filled_up_with_zeros():
    assert padded(np.ones((2, 3)), 4).tolist() == [[1, 1, 1, 0]] * 2
    whole = np.ones((2, 4))
    assert padded(whole, 4) is whole


def test_bytes_are_shifted_each_by_itself():
    values = np.arange(16, dtype=np.uint8).reshape(2, 2, 4)
    assert shifted_left(values, 4).tolist() == (values.astype(int) * 16).tolist()
