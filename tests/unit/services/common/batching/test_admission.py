"""Who may join a batcher's queue: callers take turns and have bounds, and what would begin too late is refused."""

import asyncio

import pytest

from runtime.deadlines import Deadline
from services.common.batching.admission import BatchLimits
from services.common.batching.batcher import Batcher
from tandem.shared.errors import Internal, ResourceExhausted, WaitTooLong
from tests.unit.services.common.batching.fakes import Doubler, Recorder, Stepwise
from tests.unit.services.common.batching.rig import busy, submit, until_queued


async def test_ten_light_callers_beside_a_hog_are_in_the_next_batch():
    """Counted in batches: 200 requests of the hog wait, and each round of light ones is done in the batch after."""
    async with busy(Stepwise(), max_batch_size=16, max_queued=4096) as (model, batcher, _):
        hog = [submit(batcher, [1] * 4, caller="hog") for _ in range(200)]
        await until_queued(batcher, 800)
        for _ in range(5):
            light = [submit(batcher, [2], caller=f"light {number}") for number in range(10)]
            await until_queued(batcher, batcher.num_queued + 10)
            num_before = len(model.batch_sizes)
            while not all(each.done() for each in light):
                model.steps.release()
                assert await asyncio.to_thread(model.entered.acquire, timeout=60)
                await asyncio.sleep(0)
            # The batch in hand, that of the light ones, and one that began while their results were handed out.
            assert len(model.batch_sizes) - num_before <= 3
        model.gate.set()
        await asyncio.gather(*hog)
    assert set(model.batch_sizes[1:-1]) == {16}, "nobody's turn leaves room in a batch"


async def test_one_caller_cannot_fill_the_queue_to_others():
    async with busy(max_queued=8, max_queued_of_caller=6) as (_, batcher, _):
        hog = submit(batcher, [1] * 5, caller="hog")
        await until_queued(batcher, 5)
        with pytest.raises(ResourceExhausted, match=r"a caller's part of the queue of doubler is full \(limit 6\)"):
            await submit(batcher, [1, 2], caller="hog")
        other = submit(batcher, [1, 2, 3], caller="a")
        await until_queued(batcher, 8)
        with pytest.raises(ResourceExhausted, match=r"the queue of doubler is full \(limit 8\)"):
            await submit(batcher, [1], caller="b")
        batcher_room = asyncio.ensure_future(batcher.wait_for_room(2, "hog"))
        other.cancel()
        await until_queued(batcher, 5)
        assert not batcher_room.done(), "there is room, but not for the hog"
        hog.cancel()
        await asyncio.wait_for(batcher_room, 60)


async def learned(batcher, seconds: float) -> None:
    """Let the batcher know that a pass takes so long."""
    batcher._admission._times.observe(4, seconds)


async def test_what_would_begin_too_late_is_refused_at_once():
    async with busy(max_wait_seconds=40.0) as (_, batcher, _):
        await learned(batcher, 10.0)
        waiting = [submit(batcher, [1] * 4, caller="a") for _ in range(3)]
        await until_queued(batcher, 12)
        # The pass in hand, 12 samples in passes of 4, and 10 s of its own with a quarter to spare.
        with pytest.raises(WaitTooLong, match=r"about (40|39.*) s .* longer than the .* that its deadline leaves"):
            await submit(batcher, [1], Deadline.after(51.0), "a")
        waiting.append(submit(batcher, [1] * 4, Deadline.after(58.0), "a"))
        await until_queued(batcher, 16)
        with pytest.raises(WaitTooLong, match="longer than the 40 s that the server lets anybody wait"):
            await submit(batcher, [1], caller="a")
        waiting.append(submit(batcher, [1], Deadline.after(35.0), "b"))  # whose turn comes after one batch of a's
        await until_queued(batcher, 17)
        for each in waiting:
            each.cancel()


async def test_the_rest_of_a_call_that_has_begun_is_not_refused_for_time():
    async with busy(max_wait_seconds=1.0) as (_, batcher, _):
        await learned(batcher, 10.0)
        with pytest.raises(WaitTooLong):
            await submit(batcher, [2] * 4)
        rest = submit(batcher, [2] * 4, is_begun=True)
        await until_queued(batcher, 4)
        rest.cancel()


async def test_while_an_instance_is_idle_nothing_is_refused_for_time():
    """However long passes are thought to take: or a wrong idea of it would never be mended."""
    batcher = Batcher("doubler", [Doubler().run], BatchLimits(4, 100, max_wait_seconds=1e-9), Recorder())
    batcher.start()
    await learned(batcher, 1000.0)
    await submit(batcher, [1], deadline=Deadline.after(60))
    assert batcher._admission._times.pass_seconds(1) < 1000.0
    await batcher.stop()


async def test_a_spare_instance_that_is_idle_lets_nobody_in_and_at_work_counts_as_one():
    async with busy(max_wait_seconds=15.0, num_spare=1) as (model, batcher, _):
        await learned(batcher, 10.0)
        with pytest.raises(WaitTooLong):  # 10 s of the pass in hand, 10 of its own
            await asyncio.wait_for(submit(batcher, [1] * 3, deadline=Deadline.after(15.0)), 60)
        full = submit(batcher, [1] * 4)
        assert await asyncio.to_thread(model.entered.acquire, timeout=60)
        assert batcher._admission._work_seconds(8) == pytest.approx(10.0)
        model.gate.set()
        await full


async def test_a_pass_that_failed_says_nothing_of_how_long_passes_take():
    batcher = Batcher("doubler", [Doubler().run], BatchLimits(4, 100), Recorder())
    batcher.start()
    with pytest.raises(Internal):
        await submit(batcher, [-1])
    assert batcher._admission._times.pass_seconds(1) == 0.0
    await batcher.stop()


async def test_who_is_refused_may_be_told_how_many_more_would_be_taken():
    """A pass of 4 takes 10 s: the one in hand, those of 8 samples, and its own with a quarter to spare are 42.5 s."""
    async with busy() as (_, batcher, _):
        await learned(batcher, 10.0)
        waiting = [submit(batcher, [1] * 2, caller="a") for _ in range(4)]
        await until_queued(batcher, 8)
        with pytest.raises(WaitTooLong) as refusal:
            await submit(batcher, [1], Deadline.after(41.0), "a")
        assert refusal.value.capacity_left is not None
        assert refusal.value.capacity_left() == 0
        assert batcher._admission.capacity_left("a", 62.6) == 4  # 20 s more are 8 samples, in requests of 2
        waiting.append(submit(batcher, [1], caller="b"))
        await until_queued(batcher, 9)
        assert batcher._admission.capacity_left("a", 62.6) < 4  # whose turn comes between
        for each in waiting[:4]:
            each.cancel()
        await until_queued(batcher, 1)
        assert refusal.value.capacity_left() == 3
        for each in waiting:
            each.cancel()


async def test_room_is_no_more_than_the_queue_has():
    async with busy(max_queued=8, max_queued_of_caller=6) as (_, batcher, _):
        waiting = [submit(batcher, [1] * 2, caller="a")]
        await until_queued(batcher, 2)
        assert batcher._admission.capacity_left("a", 1e-9) == 2  # no pass has ended: time is no matter
        assert batcher._admission.capacity_left("b", 1e-9) == 6
        for each in waiting:
            each.cancel()
