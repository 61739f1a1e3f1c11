"""Classes by name and by number, and what is said of those that a model does not have."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tandem.client.errors import InvalidArgument, NotFound
from tandem.client.labels import class_numbers, has_names

TEXT = SimpleNamespace(name="text", num_classes=0, class_names=())
CLOTHES = SimpleNamespace(name="clothes", num_classes=2, class_names=("Coat", "Bag"))
OTHERS = SimpleNamespace(name="others", num_classes=2, class_names=("zero", "one"))


@pytest.mark.parametrize(
    ("labels", "numbers"), [("bag", 1), ("7", 7), (["BAG", "coat", "5"], [1, 0, 5]), (np.array(["bag"]), [1])]
)
def test_a_class_is_its_name_in_any_case_or_its_number(labels: Any, numbers: Any) -> None:
    assert has_names(labels)
    assert class_numbers(labels, "", [TEXT, CLOTHES, CLOTHES]) == numbers  # type: ignore[list-item]


@pytest.mark.parametrize("labels", [None, 0, [1, 2], np.array([3])])
def test_numbers_need_no_looking_up(labels: Any) -> None:
    assert not has_names(labels)


@pytest.mark.parametrize(
    ("model", "error", "told"),
    [
        ("", NotFound, "name one of: text, clothes, others"),
        ("no", NotFound, "there is no 'no'; there are: text, clothes, others"),
        ("text", InvalidArgument, "there is no class 'hat'; there are: none by name"),
        ("clothes", InvalidArgument, "there is no class 'hat'; there are: Coat, Bag"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(model: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        class_numbers("hat", model, [TEXT, CLOTHES, OTHERS])  # type: ignore[list-item]
