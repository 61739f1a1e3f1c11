"""Classes by name and by number, and what is said of those that a model does not have."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tandem.client.labels import class_numbers, has_names

TEXT = SimpleNamespace(name="text", num_classes=0, class_names=())
CLOTHES = SimpleNamespace(name="clothes", num_classes=2, class_names=("Coat", "Bag"))


@pytest.mark.parametrize(
    ("labels", "numbers"), [("bag", 1), ("7", 7), (["BAG", "coat", "5"], [1, 0, 5]), (np.array(["bag"]), [1])]
)
def test_a_class_is_its_name_in_any_case_or_its_number(labels: Any, numbers: Any) -> None:
    assert has_names(labels)
    assert class_numbers(labels, "", [TEXT, CLOTHES, CLOTHES]) == numbers  # type: ignore[list-item]


@pytest.mark.parametrize("labels", [None, 0, [1, 2], np.array([3])])
def test_numbers_need_no_looking_up(labels: Any) -> None:
    assert not has_names(labels)
