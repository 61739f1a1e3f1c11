"""Who waits for room gets it in bounded time, in turns with newcomers, and holds up nobody once it has gone."""

import asyncio
import math

import pytest

from runtime.rpc.metadata import NOBODY
from services.common.batching.admission import BatchAdmission, BatchLimits
from services.common.batching.queue import BatchQueue
from services.common.batching.request import BatchRequest
from services.common.waiting_line import WaitingLine
from tandem.shared.errors import ResourceExhausted
from tests.unit.services.common.batching.fakes import Stepwise
from tests.unit.services.common.batching.rig import NEVER, busy, running, submit, until_busy, until_queued


def add(queue: BatchQueue, caller: str, num_samples: int) -> None:
    queue.add(BatchRequest(None, num_samples, NEVER, 0.0, lambda *_: True, caller))


async def waiting(line: WaitingLine, queue: BatchQueue, caller: str, num_samples: int) -> asyncio.Task[None]:
    """Return a task that waits for room and then joins the queue."""

    async def join() -> None:
        await line.wait(caller, num_samples)
        add(queue, caller, num_samples)

    task = asyncio.create_task(join())
    await asyncio.sleep(0)
    return task


async def looked(line: WaitingLine) -> None:
    """Let everybody in the line see what room there is."""
    line.look()
    for _ in range(5):
        await asyncio.sleep(0)


async def test_newcomers_get_as_many_places_as_the_first_asks_for_and_then_none():
    queue = BatchQueue(10)
    line = WaitingLine(queue.counts)
    add(queue, "a", 8)
    assert line.places("b") == math.inf
    first = await waiting(line, queue, "stream", 3)
    second = await waiting(line, queue, "other", 8)
    assert line.places("b") == 3
    line.passed("b", 2)
    assert line.places("a") == line.places("stream") == 1
    line.passed("a", 1)
    assert line.places("b") == 0
    queue.take(8, now=1.0)
    await looked(line)
    assert first.done()
    assert not second.done()
    assert line.places("b") == 8
    queue.take(3, now=2.0)
    await looked(line)
    assert second.done()
    assert line.places("b") == math.inf


async def test_who_waits_for_its_caller_s_part_holds_up_that_caller_alone():
    queue = BatchQueue(10, max_samples_of_caller=6)
    line = WaitingLine(queue.counts)
    add(queue, "hog", 6)
    add(queue, "a", 1)
    own = await waiting(line, queue, "hog", 2)
    line.passed("hog", 2)
    assert (line.places("hog"), line.places("b")) == (0, math.inf)
    other = await waiting(line, queue, "b", 3)
    await looked(line)
    assert other.done()
    assert not own.done()
    own.cancel()


async def test_who_has_gone_holds_up_nobody():
    queue = BatchQueue(4)
    line = WaitingLine(queue.counts)
    add(queue, "a", 3)
    gone, left = await waiting(line, queue, "b", 2), await waiting(line, queue, "c", 1)
    line.passed("a", 2)
    assert line.places("a") == 0
    gone.cancel()
    async with asyncio.timeout(60):
        await left  # there was room for it all the time
    assert line.places("a") == math.inf


async def test_what_has_begun_gets_its_turn_while_newcomers_keep_a_batcher_s_queue_full():
    model = Stepwise()
    async with running(model, max_batch_size=1, max_queued=4) as batcher:
        requests = [submit(batcher, [0])]
        await until_busy(model)
        requests += [submit(batcher, [0]) for _ in range(4)]
        await until_queued(batcher, 4)

        async def rest() -> None:
            await batcher.wait_for_room(3)
            await batcher.submit([1, 2, 3], 3, NEVER, is_begun=True)

        part = asyncio.create_task(rest())
        for _ in range(60):
            requests += [submit(batcher, [0]) for _ in range(4)]
            model.steps.release()
            await until_busy(model)
        assert part.done()
        model.gate.set()
        ends = await asyncio.gather(*requests, return_exceptions=True)
        assert sum(isinstance(end, ResourceExhausted) for end in ends) < len(ends) - 50, "newcomers have theirs"


async def test_a_newcomer_is_refused_and_told_that_no_more_are_taken_while_others_have_their_turn():
    async with busy(max_queued=4) as (model, batcher, first):
        others = [submit(batcher, [2]) for _ in range(2)]
        await until_queued(batcher, 2)
        part = asyncio.create_task(batcher.wait_for_room(3))
        await asyncio.sleep(0)
        batcher._line.passed("", 2)
        others.append(submit(batcher, [3]))
        await until_queued(batcher, 3)
        with pytest.raises(ResourceExhausted, match=r"the queue of doubler is full \(limit 4\)") as refusal:
            batcher.begin([4], 1, NEVER, lambda *_: True)
        assert refusal.value.capacity_left is not None
        assert refusal.value.capacity_left() == 0
        part.cancel()
        await asyncio.wait((part,))
        assert refusal.value.capacity_left() == 1
        others.append(submit(batcher, [4]))
        await until_queued(batcher, 4)
        model.gate.set()
        await asyncio.gather(first, *others)


async def test_unknown_callers_are_not_told_of_a_share_that_they_do_not_have():
    queue = BatchQueue(10, max_samples_of_caller=6)
    line = WaitingLine(queue.counts)
    admission = BatchAdmission("doubler", BatchLimits(4, 10, max_queued_of_caller=6), queue, line, 1)
    add(queue, NOBODY, 8)
    part = await waiting(line, queue, NOBODY, 3)
    line.passed(NOBODY, 3)
    with pytest.raises(ResourceExhausted, match=r"^the queue of doubler is full \(limit 10\)"):
        admission.check_room(NOBODY, 1, is_begun=False)
    part.cancel()


async def test_nobody_waits_for_a_queue_that_is_closed_or_that_could_never_hold_so_much():
    queue = BatchQueue(4)
    line = WaitingLine(queue.counts)
    async with asyncio.timeout(60):
        await line.wait("b", 100)
        add(queue, "a", 4)
        tasks = [await waiting(line, queue, "b", 2) for _ in range(3)]
        line.close()
        await asyncio.gather(*tasks)
        await line.wait("b", 2)
