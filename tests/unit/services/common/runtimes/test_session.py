"""Inputs are found by type and shape, or the model is refused; parts of a batch that are not finite are told."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from services.common.runtimes.session import finite_parts, label_input, main_input, split
from tandem.shared.models import ModelError


@dataclass
class Info:
    name: str
    shape: list[int | str | None]
    type: str = "tensor(float)"


LATENT = Info("z", ["batch", 64])


@pytest.mark.parametrize("shape", [["batch", 64], [None, 64], ["batch", "dim"], ["n", 64, 1, 1]])
def test_latent_is_found_by_type_and_shape_whatever_its_name(shape):
    inputs = [Info("y", ["batch"], "tensor(int64)"), Info("whatever", shape)]
    assert main_input(inputs, ((64,), (64, 1, 1)), "latent").name == "whatever"


@pytest.mark.parametrize(
    "other",
    [Info("z", ["batch", 100]), Info("z", ["batch", 64], "tensor(double)"), Info("z", ["batch"]), Info("z", [])],
)
def test_missing_latent_says_what_was_expected_and_found(other):
    with pytest.raises(ModelError, match=r"no latent input: expected float \[batch, 64\], found z: tensor"):
        main_input([other], ((64,),), "latent")


def test_fixed_batch_size_is_refused():
    with pytest.raises(ModelError, match="fixed batch size 1"):
        main_input([Info("z", [1, 64])], ((64,),), "latent")
    with pytest.raises(ModelError, match="fixed batch size 16"):
        label_input([LATENT, Info("y", [16], "tensor(int64)")], LATENT, 10)


def test_one_hot_as_wide_as_the_latent():
    latent = Info("z", ["batch", 10])
    inputs = [latent, Info("y", ["batch", 10])]
    assert main_input(inputs, ((10,),), "latent") is latent
    assert label_input(inputs, latent, 10).name == "y"


@pytest.mark.parametrize(
    ("others", "num_classes", "message"),
    [
        ([], 10, "expected one input for classes, found none"),
        ([Info("y", ["batch"], "tensor(int64)")], 0, "class_names is empty, found y"),
        ([Info("y", ["batch"], "tensor(int64)"), Info("noise", ["batch", 4])], 10, "one input for classes, found y"),
        ([Info("y", ["batch", 9])], 10, r"float \[batch, 10\] for classes, found y"),
        ([Info("y", ["batch"], "tensor(string)")], 10, "found y: tensor\\(string\\)"),
    ],
)
def test_inputs_that_do_not_fit_model_toml(others, num_classes, message):
    with pytest.raises(ModelError, match=message):
        label_input([LATENT, *others], LATENT, num_classes)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("output", [0, 1])
def test_one_bad_number_in_any_output_marks_its_own_part(bad, output):
    outputs = np.zeros((6, 2, 2, 1), np.float32), np.zeros(6, np.float32)
    assert finite_parts([1, 3, 2], *outputs) == [True, True, True]
    outputs[output][3] = bad
    assert finite_parts([1, 3, 2], *outputs) == [True, False, True]


@given(
    arrays.arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(0, 3)), elements=st.floats(width=32)), st.data()
)
def test_parts_are_those_of_each_alone(rows, data):
    stops = [*sorted(data.draw(st.sets(st.integers(1, len(rows)))) | {len(rows)})]
    sizes = np.diff([0, *stops]).tolist()
    parts = split(rows, sizes)
    assert [len(part) for part in parts] == sizes
    assert finite_parts(sizes, rows) == [bool(np.isfinite(part).all()) for part in parts]
