"""The room for open grammars: bounded, given back once, and with the last mask of a request."""

import gc
import threading

import pytest

from runtime.errors import ResourceExhausted
from services.ar.constraints import memory as module
from services.ar.constraints.constraint import Constraint
from services.ar.constraints.memory import MAX_GRAMMAR_BYTES, GrammarMemory
from tests.unit.services.ar.constraints.texts import tiny_compiler


def test_no_more_grammars_than_the_memory_holds():
    memory = GrammarMemory(2 * MAX_GRAMMAR_BYTES + 1)
    rooms = [memory.room(), memory.room()]
    with pytest.raises(ResourceExhausted, match=r"memory for constraints .* is full \(limit 2\); retry in 1 s"):
        memory.room()
    rooms.pop().give_back()
    rooms.append(memory.room())
    rooms[0].give_back()
    rooms[0].give_back()
    assert memory.num_open == 1


def test_at_least_one_fits():
    assert GrammarMemory(1).room() is not None


def test_a_room_is_free_when_the_last_mask_of_its_request_is_gone():
    memory, compiler = GrammarMemory(MAX_GRAMMAR_BYTES), tiny_compiler()
    masks = compiler.compile(Constraint("regex", ("ab|cd",))).masks(2, memory.room())
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
    memory = GrammarMemory(MAX_GRAMMAR_BYTES)
    rooms, refusals = [memory.room()], []

    def refused(*arguments: object) -> Refused:
        rooms.clear()  # as a collection does that begins in this allocation
        return Refused()

    def ask() -> None:
        try:
            memory.room()
        except Refused as error:
            refusals.append(error)

    monkeypatch.setattr(module, "ResourceExhausted", refused)
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(20)
    assert refusals, "the thread waits for itself"
    assert memory.num_open == 0
