"""Callers take turns, their connections too, and each has its share."""

import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.rpc.metadata import NOBODY, Owner
from services.common.fair_queue import CallerCounts, FairQueue


def counts(**held: int) -> CallerCounts:
    """Return counts of a caller that holds so much by each of its connections, of 20 with a share of 12."""
    made = CallerCounts(share=12, whole=20)
    for connection, count in held.items():
        made.add(Owner("a", connection), count)
    return made


@pytest.mark.parametrize(
    ("held", "connection", "room"),
    [
        ({}, "x", 16),
        ({"x": 11}, "x", 5),
        ({"x": 12}, "x", 0),
        ({"x": 12}, "y", 4),
        ({"x": 12, "y": 4}, "y", 0),
        ({"x": 12, "y": 3}, "y", 1),
        ({"x": 6, "y": 6}, "x", 0),
        ({"x": 4, "y": 4, "z": 4}, "w", 4),
    ],
)
def test_a_connection_with_less_than_an_equal_part_may_go_beyond_its_caller_s_share(held, connection, room):
    assert counts(**held).capacity_left(Owner("a", connection)) == room


@pytest.mark.parametrize("caller", [NOBODY, "b"])
def test_who_tells_no_connection_has_the_share(caller):
    assert counts(x=12).capacity_left(caller) == 12


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(1, 3)), max_size=30))
def test_what_is_given_back_leaves_nothing(held):
    made = CallerCounts(share=12, whole=20)
    for caller, connection, count in held:
        made.add(Owner(caller, connection), count)
    assert made.of_caller.total() == sum(count for _, _, count in held)
    for caller, connection, count in held:
        made.add(Owner(caller, connection), -count)
    assert (made.of_caller, made.of_connections("a")) == ({}, {})


@dataclass(eq=False)
class Item:
    caller: str


def of(caller: str) -> Item:
    return Item(caller)


def filled(callers: str) -> FairQueue[Item]:
    queue: FairQueue[Item] = FairQueue()
    for caller in callers:
        queue.add(of(caller))
    return queue


def order(queue: FairQueue) -> str:
    return "".join(queue.pop().caller for _ in range(len(queue)))


def test_the_caller_of_the_least_load_comes_first_in_turn_among_equals():
    queue = filled("aabbcc")
    assert queue.least_served({"a": 1, "b": 1}, {}).caller == "c"
    assert queue.least_served({"a": 2, "b": 1, "c": 1}, {}).caller == "b"
    queue.take(queue.least_served({"a": 2, "b": 1, "c": 1}, {}))
    assert queue.least_served({"a": 2, "b": 1, "c": 1}, {}).caller == "c"


def test_at_random_it_is_what_turns_by_hand_are():
    chance = random.Random(5)
    for _ in range(200):
        queue, model, last = FairQueue(), {}, None
        for _ in range(60):
            match chance.choice(["add", "add", "pop", "remove", "preempted"]):
                case "add":
                    item = of(chance.choice("abcd"))
                    queue.add(item)
                    model.setdefault(item.caller, []).append(item)
                    if last in model:
                        model[last] = model.pop(last)
                case "preempted":
                    item = of(chance.choice("abcd"))
                    queue.add_first(item)
                    model.setdefault(item.caller, []).insert(0, item)
                    if last in model:
                        model[last] = model.pop(last)
                case "pop" if len(queue):
                    expected = served(model)[0]
                    assert queue.first is expected
                    assert queue.pop() is expected
                    last = expected.caller
                    take(model, expected)
                case "remove" if len(queue):
                    item = chance.choice(list(queue))
                    assert queue.remove(item)
                    assert item not in queue
                    assert not queue.remove(item)
                    forget(model, item)
            assert len(queue) == len(list(queue)) == sum(map(len, model.values()))
            assert queue.sizes() == Counter(item.caller for item in queue)


def served(model: dict[str, list[Item]]) -> list[Item]:
    """Return the order in which all would be served if nothing came."""
    rounds = range(max(map(len, model.values()), default=0))
    return [own[number] for number in rounds for own in model.values() if number < len(own)]


def take(model: dict[str, list[Item]], item: Item) -> None:
    forget(model, item)
    if item.caller in model:
        model[item.caller] = model.pop(item.caller)  # to the end


def forget(model: dict[str, list[Item]], item: Item) -> None:
    model[item.caller].remove(item)
    if not model[item.caller]:
        del model[item.caller]
