"""Callers beside a hog in the engine: how many steps they wait, and what one caller may hold. Counted, not timed."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from runtime.deadlines import Deadline
from services.ar.engine.admission import AdmissionLimits
from services.ar.engine.block_pool import BlockPool
from services.ar.engine.engine import Engine
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SampledToken, SamplingParams, Sequence
from tandem.shared.errors import ResourceExhausted, WaitTooLong

LIMIT_SECONDS = 60
NUM_PLACES = 16
NEVER = Deadline.after(None)


class Recorder:
    """Answers every sequence with the token 1; notes whose sequences were in each step. `gate` holds steps up."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.steps: list[list[str]] = []

    def start(self) -> None:
        pass

    def run(self, batch):
        self.steps.append([work.sequence.caller for work in batch])
        self.entered.release()
        self.gate.wait()
        return [[SampledToken(1)] if work.completes else [] for work in batch]


class Unheard:
    def stepped(self, batch, seconds) -> None:
        pass

    def ended(self, outcome) -> None:
        pass


@asynccontextmanager
async def held(max_open_of_caller: int = 1000, max_open: int = 1000) -> AsyncIterator[tuple[Engine, Recorder]]:
    """An engine that is held in its first step, with 200 sequences of a hog, as many as may running."""
    runner = Recorder()
    limits = AdmissionLimits(NUM_PLACES, max_open, max_open_of_caller, 60.0)
    engine = Engine(Scheduler(BlockPool(4096, 4), NUM_PLACES, 64), runner, Unheard(), limits)
    engine.start()
    try:
        yield engine, runner
    finally:
        runner.gate.set()
        await engine.stop()


def of_caller(caller: str, max_tokens: int = 50) -> Sequence:
    return Sequence([7], SamplingParams(max_tokens=max_tokens), caller=caller)


async def until_held(runner: Recorder) -> None:
    assert await asyncio.to_thread(runner.entered.acquire, timeout=LIMIT_SECONDS)


async def finished(stream) -> None:
    while not stream.is_finished:
        await stream.get()


async def test_ten_light_callers_beside_a_hog_begin_in_the_next_step():
    async with held() as (engine, runner):
        for _ in range(200):
            engine.submit([of_caller("hog")])
        await until_held(runner)
        num_before = len(runner.steps)
        light = [engine.submit([of_caller(f"light {number}", max_tokens=3)]) for number in range(10)]
        runner.gate.set()
        async with asyncio.timeout(LIMIT_SECONDS):
            await asyncio.gather(*map(finished, light))
    # The first step was taken before they came; whatever was in the mailbox is obeyed before the one after.
    first = {
        f"light {number}": next(n for n, step in enumerate(runner.steps) if f"light {number}" in step)
        for number in range(10)
    }
    assert max(first.values()) <= num_before + 1, first
    served = [step for step in runner.steps if "light 0" in step]
    assert len(served) == 3, "and go on to their end without being sent back"
    assert all(step.count("hog") >= NUM_PLACES - 10 for step in runner.steps[1:4]), "the hog has the rest"


async def test_what_has_begun_gets_its_turn_while_newcomers_keep_the_queue_full():
    async with held(max_open=4) as (engine, _):
        newcomers = [of_caller(f"first {number}") for number in range(4)]
        for each in newcomers:
            engine.submit([each], NEVER)

        async def rest() -> None:
            await engine.wait_for_room("scorer", 3)
            engine.submit([of_caller("scorer") for _ in range(3)])

        part = asyncio.create_task(rest())
        await asyncio.sleep(0)
        num_passed = 0
        while newcomers and not part.done():
            engine.end(newcomers.pop(0), "cancelled")
            with contextlib.suppress(ResourceExhausted):
                late = of_caller(f"later {num_passed}")
                engine.submit([late], NEVER)
                newcomers.append(late)
                num_passed += 1
            assert num_passed < 100, "newcomers take every place, and the part never begins"
            await asyncio.sleep(0)
        await part
        assert num_passed == 3, "newcomers have their turn, too"
        assert engine._admission.counts.total == 4


async def test_a_newcomer_is_refused_and_told_that_no_more_are_taken_while_others_have_their_turn():
    async with held(max_open=8) as (engine, _):
        for _ in range(6):
            engine.submit([of_caller("a")], NEVER)
        part = asyncio.create_task(engine.wait_for_room("scorer", 3))
        await asyncio.sleep(0)
        with pytest.raises(ResourceExhausted, match=r"the engine's queue is full \(limit 8\)"):
            engine.submit([of_caller("b") for _ in range(4)], NEVER)
        first = engine.submit([of_caller("b"), of_caller("b")], NEVER)
        for sequence in first.open_sequences():
            engine.end(sequence, "cancelled")
        engine.submit([of_caller("c")], NEVER)
        with pytest.raises(ResourceExhausted, match=r"the engine's queue is full \(limit 8\)") as refusal:
            engine.submit([of_caller("c")], NEVER)
        assert refusal.value.capacity_left is not None
        assert refusal.value.capacity_left() == 0
        part.cancel()
        await asyncio.wait((part,))
        assert refusal.value.capacity_left() == 1
        engine.submit([of_caller("c")], NEVER)


async def test_what_cannot_begin_within_its_deadline_is_refused_and_the_rest_of_a_request_is_not():
    async with held() as (engine, runner):
        runner.gate.set()
        async with asyncio.timeout(LIMIT_SECONDS):
            await finished(engine.submit([of_caller("a", max_tokens=1)]))
        engine._admission._running_seconds = 160.0  # so that a place comes free every 10 s
        runner.gate.clear()
        for _ in range(NUM_PLACES + 4):
            engine.submit([of_caller("a")])
        with pytest.raises(WaitTooLong, match="about 50 s"):
            engine.submit([of_caller("a")], Deadline.after(45.0))
        with pytest.raises(WaitTooLong, match="longer than the 60 s that the server lets anybody wait"):
            engine.submit([of_caller("a"), of_caller("a")] * 4, Deadline.after(None))
        engine.submit([of_caller("a")], None)
        engine.submit([of_caller("b")], Deadline.after(45.0))
