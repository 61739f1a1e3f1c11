"""Room in a memory: bounded, for each caller too, given back once."""

import threading

import pytest

from runtime import memory as module
from runtime.memory import Memory
from runtime.rpc.metadata import NOBODY
from tandem.shared.errors import ResourceExhausted


def test_no_more_than_the_memory_holds():
    memory = Memory("the memory for clay", 10, 1.0)
    reservations = [memory.reserve("a", 4), memory.reserve("b", 6)]
    with pytest.raises(ResourceExhausted, match=r"^the memory for clay is full \(limit 10\); retry in 1 s"):
        memory.reserve("c")
    reservations.pop().give_back()
    reservations.append(memory.reserve("c", 6))
    reservations[0].give_back()
    reservations[0].give_back()
    assert memory.num_held == 6


def test_a_caller_leaves_others_their_part_and_gets_its_own_back():
    memory = Memory("the memory for clay", 4, 0.75)
    reservations = [memory.reserve("a") for _ in range(3)]
    with pytest.raises(ResourceExhausted, match=r"^a caller's part of the memory for clay is full \(limit 3\)"):
        memory.reserve("a")
    other = memory.reserve("b")
    reservations.pop().give_back()
    reservations.append(memory.reserve("a"))
    other.give_back()
    with pytest.raises(ResourceExhausted, match="a caller's part"):
        memory.reserve("a")
    assert memory.num_held == 3


def test_callers_whose_name_is_unknown_are_many_and_have_all_room():
    memory = Memory("the memory for clay", 4, 0.25)
    reservations = [memory.reserve(NOBODY) for _ in range(4)]
    assert memory.num_held == len(reservations)


def test_whatever_it_takes_a_request_gets_its_room_while_nothing_is_held():
    memory = Memory("the memory for clay", 4, 0.75)
    large = memory.reserve("a", 100)
    with pytest.raises(ResourceExhausted, match=r"^the memory"):
        memory.reserve("b", 1)
    large.give_back()
    other = memory.reserve("b", 0)
    assert memory.reserve("a", 4), "it takes more than its caller's part, but is its only one"
    other.give_back()


class Refused(Exception):
    """In place of ResourceExhausted."""


def test_the_collector_may_free_a_room_while_another_is_refused(monkeypatch):
    memory = Memory("the memory for clay", 1, 1.0)
    reservations, refusals = [memory.reserve("a")], []

    def refused(*arguments: object) -> Refused:
        reservations.clear()  # as a collection does that begins in this allocation
        return Refused()

    def ask() -> None:
        try:
            memory.reserve("a")
        except Refused as error:
            refusals.append(error)

    monkeypatch.setattr(module, "ResourceExhausted", refused)
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(20)
    assert refusals, "the thread waits for itself"
    assert memory.num_held == 0
