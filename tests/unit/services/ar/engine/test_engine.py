"""The engine's thread and mailbox, see `rig` for the model."""

import asyncio
import gc
import io
import logging
import math
import random
import weakref
from collections.abc import Iterator

import pytest

from runtime.deadlines import Deadline
from services.ar.engine.admission import Run
from tandem.shared.errors import DeadlineExceeded, Internal, TandemError, TooComplex, WaitTooLong
from tests.unit.services.ar.engine.rig import GUILTY, Rig, read, sequence


async def test_tokens_that_nobody_reads_one_by_one_wake_the_event_loop_once():
    async with Rig() as rig:
        whole = sequence(max_tokens=5)
        whole.is_streamed = False
        stream = rig.engine.submit([whole])
        (output,) = await stream.get()
    assert [token.token_id for token in output.tokens] == [1, 2, 3, 4, 5]
    assert stream.is_finished
    assert stream.first_token_at < stream.last_token_at
    assert rig.outcomes == ["finished"]


async def test_what_was_gathered_of_a_cancelled_sequence_is_forgotten():
    async with Rig() as rig:
        endless = sequence(max_tokens=50)
        endless.is_streamed = False
        with rig.engine.running([endless], None):
            while endless.num_output_tokens < 3:
                await asyncio.sleep(0)
        assert await read(rig.engine.submit([sequence(max_tokens=2)])) == [1, 2]
        assert rig.engine._gathering._held == {}
    assert sorted(rig.outcomes) == ["cancelled", "finished"]


async def test_what_has_become_too_late_while_it_waited_is_told_so_and_never_runs(monkeypatch):
    async with Rig() as rig:
        running = rig.engine.submit([sequence(max_tokens=3)], Deadline.after(None))
        monkeypatch.setattr(rig.engine._admission, "latest_start", lambda *_: -math.inf)
        late = sequence(100)
        stream = rig.engine.submit([late], Deadline.after(60.0))
        with pytest.raises(DeadlineExceeded, match="before the work could be done"):
            await read(stream)
        assert await read(running) == [1, 2, 3]
        assert late.scheduled_at is None
        assert rig.engine._admission.counts.total == 0
    assert sorted(rig.outcomes) == ["cancelled", "finished"]


async def test_what_cannot_begin_within_its_deadline_is_refused_and_the_rest_of_a_request_is_not():
    async with Rig() as rig:
        await read(rig.engine.submit([sequence(max_tokens=1)], Deadline.after(None)))
        rig.engine._admission._mean = Run(80.0, 1, 8)  # so that one of eight places comes free every 10 s
        rig.runner.gate.clear()
        for _ in range(12):
            rig.engine.submit([sequence(caller="a")])
        with pytest.raises(WaitTooLong, match="about 50 s"):
            rig.engine.submit([sequence(caller="a")], Deadline.after(45.0))
        rig.engine.submit([sequence(caller="a")], None)
        rig.engine.submit([sequence(caller="b")], Deadline.after(101.0))
        assert rig.engine._admission.counts.total == 14


async def test_callers_beside_a_hog_begin_in_the_next_step():
    async with Rig(max_open_sequences=1000) as rig:
        rig.runner.gate.clear()
        for _ in range(200):
            rig.engine.submit([sequence(caller="hog", max_tokens=50)])
        while not rig.runner.steps:
            await asyncio.sleep(0)
        light = [rig.engine.submit([sequence(caller=f"light {number}", max_tokens=3)]) for number in range(5)]
        rig.runner.gate.set()
        async with asyncio.timeout(60):
            await asyncio.gather(*map(read, light))
        # The first step was taken before they came; whatever was in the mailbox is obeyed before the one after.
        for number in range(5):
            served = [place for place, step in enumerate(rig.runner.steps) if f"light {number}" in step]
            assert served == [1, 2, 3], "and it goes on to its end without being sent back"
        assert all(step.count("hog") >= 3 for step in rig.runner.steps[1:4]), "the hog has the rest"


async def test_cancelled_sequences_end_within_one_step_and_free_their_blocks():
    async with Rig() as rig:
        long = sequence(max_tokens=10_000, num_prompt_tokens=8)
        stream = rig.engine.submit([long])
        await stream.get()
        rig.engine.end(long, "cancelled")
        rig.engine.end(long, "cancelled")
        steps = rig.runner.num_steps
        await read(rig.engine.submit([sequence()]))  # one step a token, so whatever else ran, ran before
        assert rig.pool.num_taken == 0
        assert rig.runner.num_steps <= steps + 6
    assert rig.outcomes == ["cancelled", "finished"]


async def test_a_dead_thread_fails_everything_in_flight_and_who_waits_for_room_hears_of_it():
    async with Rig(dies_at=3, max_open_sequences=3) as rig:
        rig.runner.gate.clear()
        streams = [rig.engine.submit([sequence()]) for _ in range(3)]
        waiting = asyncio.create_task(rig.engine.wait_for_room("", 1))
        await asyncio.sleep(0)
        rig.runner.gate.set()
        await waiting
        for stream in streams:
            with pytest.raises(Internal):
                await read(stream)
        assert str(await rig.engine.wait_dead()) == "a fault in the model"
        with pytest.raises(Internal):
            rig.engine.submit([sequence()])
    assert rig.outcomes == ["failed"] * 3


async def test_a_sequence_that_fails_in_an_empty_engine_does_not_end_it():
    async with Rig() as rig:
        for _ in range(20):
            with pytest.raises(Internal):
                await read(rig.engine.submit([sequence(GUILTY)]))
        assert await read(rig.engine.submit([sequence(7)])) == [8, 9, 10, 11, 12]
    assert sorted(rig.outcomes) == ["failed"] * 20 + ["finished"]


class FailingMask:
    """A constraint that no token can follow: the engine's thread raises `error`, inside of others' frames."""

    is_complete = False

    def __init__(self, error: Exception) -> None:
        self._error = type(error), error.args

    def masks(self, draft):
        return [b""]

    def advance(self, token_ids):
        kind, arguments = self._error
        raise kind(*arguments)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Between its collections, cycles of references stay in memory."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("error", [TooComplex("too many states"), ValueError("a fault")])
async def test_what_a_failed_request_held_is_free_at_once(error, monkeypatch):
    log, logger = io.StringIO(), logging.getLogger("services.ar.engine.scheduler")
    monkeypatch.setattr(logger, "handlers", [logging.StreamHandler(log)])
    monkeypatch.setattr(logger, "propagate", False)  # pytest keeps the tracebacks that are logged

    async def fail(rig: Rig) -> weakref.ref[FailingMask]:
        guilty = sequence()
        guilty.token_mask = FailingMask(error)
        held = weakref.ref(guilty.token_mask)
        stream = rig.engine.submit([guilty])
        with pytest.raises(TandemError):
            await read(stream)
        return held

    async with Rig() as rig:
        held = [await fail(rig) for _ in range(3)]
        await read(rig.engine.submit([sequence()]))  # what the engine's thread still had of the last step is gone
        assert [each() for each in held] == [None] * 3
    assert log.getvalue().count("in advance") == 3, "the traceback is logged"


async def test_of_a_request_whose_one_choice_fails_the_others_are_cancelled():
    async with Rig() as rig:
        guilty = [sequence(7, max_tokens=10_000), sequence(GUILTY)]
        with pytest.raises(Internal), rig.engine.running(guilty, None) as stream:
            await read(stream)
        assert rig.engine._admission.counts.total == 0
        assert await read(rig.engine.submit([sequence(1)])) == [2, 3, 4, 5, 6]
        assert rig.pool.num_taken == 0
    assert sorted(rig.outcomes) == ["cancelled", "failed", "finished"]


async def test_what_an_observer_raises_harms_nobody():
    async with Rig() as rig:
        rig.outcomes.raises = True
        streams = [rig.engine.submit([sequence(100 * i)]) for i in range(3)]
        assert await asyncio.gather(*map(read, streams)) == [[100 * i + n for n in range(1, 6)] for i in range(3)]
        with rig.engine.running([sequence(max_tokens=10_000)], None) as stream:
            await stream.get()
        assert await read(rig.engine.submit([sequence(7)])) == [8, 9, 10, 11, 12]


async def test_stopping_fails_what_is_still_open():
    async with Rig() as rig:
        stream = rig.engine.submit([sequence(max_tokens=1_000_000)])
        await stream.get()
    with pytest.raises(Internal):
        await read(stream)
    assert rig.outcomes == ["failed"]


async def test_a_thousand_random_cancels_leave_nothing_behind():
    """Cancelled while queued, in prefill, between tokens; some never. Blocks are scarce, so preemptions happen too."""
    chance = random.Random(1)

    async def client(rig: Rig) -> None:
        item = sequence(max_tokens=chance.randint(1, 30), num_prompt_tokens=chance.randint(1, 60))
        stream = rig.engine.submit([item])
        for _ in range(chance.randint(0, 25)):
            if stream.is_finished or chance.random() < 0.1:
                break
            await (stream.get() if chance.random() < 0.8 else asyncio.sleep(0))
        rig.engine.end(item, "cancelled")

    async with Rig(num_blocks=40, max_open_sequences=2000) as rig:
        await asyncio.gather(*(client(rig) for _ in range(1000)))
        await read(rig.engine.submit([sequence()]))
        assert rig.engine._admission.counts.total == 0
        assert rig.pool.num_taken == 0
        rig.scheduler.check_integrity()
    assert len(rig.outcomes) == 1001
    assert {"finished", "cancelled"} == set(rig.outcomes)


async def test_newcomers_count_to_who_waits_for_room_and_rests_do_not():
    async with Rig(max_open_sequences=8) as rig:
        rig.runner.gate.clear()
        rig.engine.submit([sequence() for _ in range(6)], Deadline.after(None))
        waiting = asyncio.create_task(rig.engine.wait_for_room("scorer", 3))
        await asyncio.sleep(0)
        places = []
        for deadline in (Deadline.after(None), None):
            rig.engine.submit([sequence()], deadline)
            places.append(rig.engine._admission.line.places(""))
        assert places == [2, 2], "of the three that may come before it"
        waiting.cancel()
