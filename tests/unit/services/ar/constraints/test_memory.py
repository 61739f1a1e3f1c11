"""The room for open grammars: as many as the bytes allow, each given back with the last mask of its request."""

import gc

import pytest

from services.ar.constraints.compiler import MAX_GRAMMAR_BYTES, grammar_memory
from services.ar.constraints.grammar import Constraint
from services.ar.constraints.grammar_mask import request_masks
from tandem.shared.errors import ResourceExhausted
from tests.unit.services.ar.constraints.texts import tiny_compiler


def test_no_more_grammars_than_the_memory_holds():
    memory = grammar_memory(2 * MAX_GRAMMAR_BYTES + 1, 1.0)
    reservations = [memory.reserve("a"), memory.reserve("a")]
    with pytest.raises(ResourceExhausted, match=r"memory for constraints .* is full \(limit 2\); retry in 1 s"):
        memory.reserve("a")
    assert memory.num_held == len(reservations)


def test_at_least_one_fits():
    assert grammar_memory(1, 0.5).reserve("a") is not None


def test_a_room_is_free_when_the_last_mask_of_its_request_is_gone():
    memory, compiler = grammar_memory(MAX_GRAMMAR_BYTES, 1.0), tiny_compiler()
    masks = request_masks(compiler.compile(Constraint("regex", ("ab|cd",))), 2, memory.reserve("a"))
    compiler.close()
    masks.pop()
    gc.collect()
    assert memory.num_held == 1
    masks.clear()
    gc.collect()
    assert memory.num_held == 0
