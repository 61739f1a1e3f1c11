"""The room for open grammars: bounded, for each caller too, given back once, and with the last mask of a request."""

import gc
import threading

import pytest

from runtime.errors import ResourceExhausted
from runtime.rpc.caller import NOBODY
from services.ar.constraints import memory as module
from services.ar.constraints.constraint import Constraint
from services.ar.constraints.memory import MAX_GRAMMAR_BYTES, GrammarMemory
from tests.unit.services.ar.constraints.texts import tiny_compiler


def test_no_more_grammars_than_the_memory_holds():
    memory = GrammarMemory(2 * MAX_GRAMMAR_BYTES + 1, 1.0)
    rooms = [memory.room("a"), memory.room("a")]
    with pytest.raises(ResourceExhausted, match=r"memory for constraints .* is full \(limit 2\); retry in 1 s"):
        memory.room("a")
    rooms.pop().give_back()
    rooms.append(memory.room("a"))
    rooms[0].give_back()
    rooms[0].give_back()
    assert memory.num_open == 1


def test_at_least_one_fits():
    assert GrammarMemory(1, 0.5).room("a") is not None


def test_a_caller_leaves_others_their_part_and_gets_its_own_back():
    memory = GrammarMemory(4 * MAX_GRAMMAR_BYTES, 0.75)
    rooms = [memory.room("a") for _ in range(3)]
    with pytest.raises(ResourceExhausted, match=r"a caller's part of the memory for constraints .* \(limit 3\)"):
        memory.room("a")
    other = memory.room("b")
    rooms.pop().give_back()
    rooms.append(memory.room("a"))
    other.give_back()
    with pytest.raises(ResourceExhausted, match="a caller's part"):
        memory.room("a")
    assert memory.num_open == 3


def test_callers_whose_name_is_unknown_are_many_and_have_all_room():
    memory = GrammarMemory(4 * MAX_GRAMMAR_BYTES, 0.25)
    rooms = [memory.room(NOBODY) for _ in range(4)]
    with pytest.raises(ResourceExhausted, match=r"^the memory"):
        memory.room(NOBODY)
    assert memory.num_open == len(rooms)


def test_a_room_is_free_when_the_last_mask_of_its_request_is_gone():
    memory, compiler = GrammarMemory(MAX_GRAMMAR_BYTES, 1.0), tiny_compiler()
    masks = compiler.compile(Constraint("regex", ("ab|cd",))).masks(2, memory.room("a"))
    compiler.close()
    masks.pop()
    gc.collect()
    assert memory.num_open == 1
    masks.clear()
    gc.collect()
    assert memory.num_open == 0


class Refused(Exception):
    """In place of ResourceExhausted."""


def test_the_collector_may_free_a_room_while_another_is_refused(monkeypatch):
    memory = GrammarMemory(MAX_GRAMMAR_BYTES, 1.0)
    rooms, refusals = [memory.room("a")], []

    def refused(*arguments: object) -> Refused:
        rooms.clear()  # as a collection does that begins in this allocation
        return Refused()

    def ask() -> None:
        try:
            memory.room("a")
        except Refused as error:
            refusals.append(error)

    monkeypatch.setattr(module, "ResourceExhausted", refused)
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(20)
    assert refusals, "the thread waits for itself"
    assert memory.num_open == 0
