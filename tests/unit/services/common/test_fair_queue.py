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


@pytest.mark.parametrize(
    ("held", "connection", "room"),
    [({}, "x", 12), ({"x": 11}, "x", 1), ({"x": 12}, "y", 4), ({"x": 9, "y": 2}, "y", 4), ({"x": 9, "y": 4}, "y", 2)],
)
def test_one_by_one_a_connection_goes_beyond_the_share_as_far_as_its_part(held, connection, room):
    made, caller = counts(**held), Owner("a", connection)
    assert made.capacity_left(caller, one_by_one=True) == room
    for left in range(room, 0, -1):
        assert made.capacity_left(caller) >= left
        made.add(caller, 1)
    assert made.capacity_left(caller) <= 0


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


@pytest.mark.parametrize(
    ("caller", "count", "ahead"),
    [
        (Owner("a", "x"), 1, 6 + 1 + 5),  # its own, and 7 of each other: as many as there are
        (Owner("a", "y"), 1, 1 + 2 + 4),
        (Owner("a", "z"), 2, 2 + 1 + 5),
        (Owner("c", "x"), 3, 3 + 3),
        ("c", 100, 7 + 5),
    ],
)
def test_ahead_of_what_comes_is_what_its_connection_has_and_as_much_of_each_other(caller, count, ahead):
    made = counts(x=6, y=1)
    made.add("b", 5)
    assert made.ahead(caller, count) == ahead


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


def test_who_has_been_served_least_comes_first_counted_in_work():
    queue = filled("aaabbbbbb")
    works = {"a": 4, "b": 1}
    order = ""
    while queue:
        order += queue.first.caller
        queue.take(queue.first, works[order[-1]])
    assert order == "abbbbabba"


def test_who_comes_is_served_before_who_has_had_more_since_it_left_and_who_comes_back_is_not_new():
    queue = filled("aab")
    queue.take(queue.first, 10)
    queue.add(of("c"))
    queue.take(queue.first, 3)
    queue.add(of("b"))
    assert order(queue) == "cba"


def test_nobody_is_remembered_once_all_have_left():
    queue = filled("aab")
    for _ in range(3):
        queue.take(queue.first, 10)
    for caller in "aab":
        queue.add(of(caller))
    assert order(queue) == "aba"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 64)), min_size=1, max_size=60))
def test_nobody_who_waits_is_served_more_than_another_by_more_than_two_items(entries):
    queue, works, served = FairQueue(), {}, Counter()
    for caller, connection, work in entries:
        item = of(Owner(caller, connection))
        queue.add(item)
        works[item] = work
    while queue:
        item = queue.first
        queue.take(item, works[item])
        served[item.caller] += works[item]
        assert all(served[item.caller] - served[each] <= 2 * 64 for each in queue.sizes())


def test_at_random_nothing_is_lost_and_each_connection_is_served_in_order():
    chance = random.Random(5)
    for _ in range(200):
        queue, waiting = FairQueue(), {}
        for _ in range(60):
            item = of(Owner(chance.choice("abcd"), chance.choice("xy")))
            own = waiting.setdefault((item.caller, item.caller.connection), [])
            match chance.choice(["add", "add", "take", "remove", "preempted"]):
                case "add":
                    queue.add(item)
                    own.append(item)
                case "preempted":
                    queue.add_first(item)
                    own.insert(0, item)
                case "take" if len(queue):
                    first = queue.first
                    queue.take(first, chance.randint(1, 9))
                    assert waiting[first.caller, first.caller.connection].pop(0) is first
                case "remove" if len(queue):
                    item = chance.choice(list(queue))
                    assert queue.remove(item)
                    assert item not in queue
                    assert not queue.remove(item)
                    waiting[item.caller, item.caller.connection].remove(item)
            assert sorted(map(id, queue)) == sorted(id(each) for its in waiting.values() for each in its)
            assert len(queue) == queue.sizes().total() == len(list(queue))
            assert all(each in queue for each in queue)
