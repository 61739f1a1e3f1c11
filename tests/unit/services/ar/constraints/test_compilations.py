"""Who waits for the compiler, what a refusal says of others, and the room for open grammars."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator

import pytest
from llguidance import LLMatcher
from prometheus_client import CollectorRegistry

from runtime.deadlines import Deadline
from services.ar.constraints.compiler import (
    MAX_GRAMMAR_BYTES,
    MAX_QUEUED,
    Compilations,
    Compiler,
    grammar_memory,
    token_table,
)
from services.ar.constraints.grammar import Constraint
from services.ar.constraints.grammar_mask import request_masks
from services.ar.metrics import ArMetrics, WorkMetrics
from tandem.shared.errors import InvalidArgument, ResourceExhausted
from tests.tiny_models import VOCAB_SIZE
from tests.unit.services.ar.constraints.texts import CODEC, tiny_compiler

NEVER = Deadline.after(None)
OBJECT = Constraint("json_object")


class HeldCompiler(Compiler):
    """Compiles nothing while it is held."""

    def __init__(self) -> None:
        super().__init__(token_table(CODEC, VOCAB_SIZE))
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()

    def compile(self, constraint: Constraint) -> LLMatcher:
        self.has_begun.set()
        self.may_go_on.wait(60)
        return super().compile(constraint)


@pytest.fixture
def compiler() -> HeldCompiler:
    return HeldCompiler()


@pytest.fixture
async def compilations(compiler: HeldCompiler) -> AsyncIterator[Compilations]:
    observer = WorkMetrics(ArMetrics(CollectorRegistry()).constraints, ("tiny",))
    memory = grammar_memory(2 * MAX_QUEUED * MAX_GRAMMAR_BYTES, 1.0)
    compilations = Compilations("tiny's constraints", compiler, observer, 0.75, 10_000.0, memory)
    compilations.start()
    yield compilations
    compiler.may_go_on.set()
    await compilations.stop()


async def test_a_refusal_says_nothing_of_calls_without_a_constraint(compilations, compiler):
    first = asyncio.create_task(compilations.masks(OBJECT, 1, NEVER, "greedy"))
    assert await asyncio.to_thread(compiler.has_begun.wait, 60)
    waiting = [asyncio.create_task(compilations.masks(OBJECT, 1, NEVER, "greedy")) for _ in range(MAX_QUEUED * 3 // 4)]
    await asyncio.sleep(0)
    with pytest.raises(ResourceExhausted, match="a caller's part of the queue of tiny's constraints is full") as caught:
        await compilations.masks(OBJECT, 1, NEVER, "greedy")
    assert caught.value.capacity_left is None
    for each in waiting:
        each.cancel()
    compiler.may_go_on.set()
    await asyncio.gather(first, *waiting, return_exceptions=True)


async def test_after_the_constraint_of_one_caller_comes_that_of_another(compilations, compiler, monkeypatch):
    compiled: list[Constraint] = []
    compile_held = compiler.compile
    monkeypatch.setattr(compiler, "compile", lambda one: compiled.append(one) or compile_held(one))
    greedy = [Constraint("regex", (f"greedy {number}",)) for number in range(8)]
    open_ = [asyncio.create_task(compilations.masks(one, 1, NEVER, "greedy")) for one in greedy]
    assert await asyncio.to_thread(compiler.has_begun.wait, 60)
    other = Constraint("regex", ("other",))
    open_.append(asyncio.create_task(compilations.masks(other, 1, NEVER, "other")))
    await asyncio.sleep(0)
    compiler.may_go_on.set()
    await asyncio.gather(*open_)
    assert compiled == [greedy[0], other, *greedy[1:]]


async def test_a_constraint_that_is_refused_leaves_its_room_to_others(compiler):
    observer = WorkMetrics(ArMetrics(CollectorRegistry()).constraints, ("tiny",))
    memory = grammar_memory(MAX_GRAMMAR_BYTES, 1.0)
    compilations = Compilations("tiny's constraints", compiler, observer, 0.75, 10_000.0, memory)
    compilations.start()
    compiler.may_go_on.set()
    refused = []  # the errors are kept
    for _ in range(2):
        with pytest.raises(InvalidArgument) as caught:
            await compilations.masks(Constraint("regex", ("(a",)), 1, NEVER, "a")
        refused.append(caught.value)
    masks = await compilations.masks(OBJECT, 1, NEVER, "a")
    with pytest.raises(ResourceExhausted, match="memory for constraints"):
        await compilations.masks(OBJECT, 1, NEVER, "b")
    assert masks
    await compilations.stop()


def test_a_grammar_has_room_until_the_last_mask_of_its_request_is_gone():
    memory, compiler = grammar_memory(MAX_GRAMMAR_BYTES + 1, 1.0), tiny_compiler()
    masks = request_masks(compiler.compile(Constraint("regex", ("ab|cd",))), 2, memory.reserve("a"))
    compiler.close()
    masks.pop()
    with pytest.raises(ResourceExhausted, match=r"memory for constraints .* is full \(limit 1\); retry in 1 s"):
        memory.reserve("a")
    masks.clear()
    gc.collect()
    assert memory.num_held == 0
    assert grammar_memory(1, 0.5).reserve("a") is not None, "at least one fits"
