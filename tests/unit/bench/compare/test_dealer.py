"""Every class as often, no seed twice, and an order that asks for the class it is meant for."""

from collections import Counter

import numpy as np
import pytest

from bench.compare.dealer import Dealer
from bench.load.document import ServedModel
from bench.load.messages import request_maker
from bench.load.scenario import Work


def dealer(num_classes: int = 10) -> Dealer:
    return Dealer(num_classes, np.random.default_rng(1))


def test_every_class_comes_once_in_a_row_of_all_classes() -> None:
    deals = dealer()
    rows = [[deals.next_label() for _ in range(10)] for _ in range(30)]
    assert all(sorted(row) == list(range(10)) for row in rows)
    assert len({tuple(row) for row in rows}) > 25


def test_no_seed_and_no_number_comes_twice() -> None:
    deals = dealer()
    orders = [deals.order(3) for _ in range(5000)]
    assert Counter(order.seed for order in orders).most_common(1)[0][1] == 1
    assert len({order.number for order in orders}) == 5000


@pytest.mark.parametrize("num_classes", [1, 3, 7, 10, 100])
def test_the_order_s_class_is_what_is_asked_for(num_classes: int) -> None:
    work = Work.model_validate({"kind": "images", "delivery": "unary", "model": "m"})
    fields = dict.fromkeys(ServedModel.model_fields)
    given = {"paradigm": "parallel", "name": "m", "modality": "image", "licence": "", "num_classes": num_classes}
    model = ServedModel.model_validate(fields | given | {"providers": (), "image_shape": (4, 4, 1)})
    make, deals = request_maker(work, model), dealer(num_classes)
    assert [list(make(deals.order(label)).labels) for label in range(num_classes)] == [[n] for n in range(num_classes)]
