import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.deadlines import Deadline
from runtime.errors import DeadlineExceeded, Internal, ResourceExhausted, Unavailable
from services.common.batcher import Batcher, BatchLimits
from tests.unit.services.common.fakes import Doubler, Recorder

NEVER = Deadline(math.inf)


@contextlib.asynccontextmanager
async def running(model: Doubler, max_batch_size=4, max_queued=100, num_instances=1, delay=0.0, observer=None):
    """A started batcher; at the end the gate is open and the books must balance."""
    limits = BatchLimits(max_batch_size, max_queued, delay)
    batcher = Batcher("doubler", [model.run] * num_instances, limits, observer or Recorder())
    batcher.start()
    try:
        yield batcher
        batcher.check_integrity()
    finally:
        model.gate.set()
        await batcher.stop()


def submit(batcher, numbers, deadline=NEVER):
    return asyncio.create_task(batcher.submit(numbers, len(numbers), deadline))


def flat(batched):
    return [number for part in batched.results for number in part]


async def until_busy(model: Doubler, num_batches: int = 1) -> None:
    for _ in range(num_batches):
        await asyncio.to_thread(model.entered.acquire)


async def until_queued(batcher, num_samples: int) -> None:
    while batcher.num_queued != num_samples:
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def busy(num_queued=0, observer=None, **limits) -> AsyncIterator[tuple[Doubler, Batcher, asyncio.Task]]:
    """A batcher whose only instance is held in a pass of one request, that of the number 1."""
    model = Doubler(is_open=False)
    async with running(model, observer=observer, **limits) as batcher:
        first = submit(batcher, [1])
        await until_busy(model)
        yield model, batcher, first


async def test_lone_request_goes_at_once():
    model = Doubler()
    async with running(model) as batcher:
        batched = await batcher.submit([1, 2], 2, NEVER)
    assert flat(batched) == [2, 4]
    assert model.batch_sizes == [2]


async def test_requests_that_arrive_while_busy_make_up_the_next_batch():
    async with busy() as (model, batcher, first):
        others = [submit(batcher, [number]) for number in (2, 3, 4)]
        await until_queued(batcher, 3)
        model.gate.set()
        assert [flat(await one) for one in (first, *others)] == [[2], [4], [6], [8]]
    assert model.batch_sizes == [1, 3]


async def test_large_request_is_split_and_shares_batches_and_keeps_its_order():
    async with busy() as (model, batcher, _):
        large, small = submit(batcher, list(range(6))), submit(batcher, [100])
        await until_queued(batcher, 7)
        model.gate.set()
        assert flat(await large) == [0, 2, 4, 6, 8, 10]
        assert flat(await small) == [200]
    assert model.batch_sizes == [1, 4, 3]


async def test_small_requests_overtake_the_rest_of_a_large_one():
    observer = Recorder()
    async with busy(observer=observer) as (model, batcher, _):
        large, small = submit(batcher, list(range(12))), submit(batcher, [100])
        await until_queued(batcher, 13)
        model.gate.set()
        await asyncio.gather(large, small)
    assert observer.ends == [("finished", 1), ("finished", 1), ("finished", 12)]


async def test_idle_instances_share_a_large_request():
    model = Doubler(is_open=False)
    async with running(model, num_instances=2) as batcher:
        large = submit(batcher, [1, 2, 3, 4])
        await until_busy(model, num_batches=2)
        model.gate.set()
        assert flat(await large) == [2, 4, 6, 8]
    assert model.batch_sizes == [2, 2]


async def test_mean_batch_size_and_times_of_the_passes_are_known():
    async with busy() as (model, batcher, _):
        large, small = submit(batcher, list(range(6))), submit(batcher, [100])
        await until_queued(batcher, 7)
        model.gate.set()
        batched = await large
        await small
    assert [(one.num_samples, one.batch_size) for one in batched.passes] == [(4, 4), (2, 3)]
    assert batched.accepted_at <= batched.taken_at <= batched.passes[0].started_at
    assert all(one.started_at <= one.ended_at for one in batched.passes)


async def test_full_queue_refuses_at_once_and_says_when_to_come_back():
    async with busy(max_queued=4) as (model, batcher, _):
        waiting = submit(batcher, [1, 2, 3])
        await until_queued(batcher, 3)
        with pytest.raises(ResourceExhausted, match=r"queue of doubler is full \(limit 4\)") as refused:
            await batcher.submit([1, 2], 2, NEVER)
        assert 0 < refused.value.retry_after_seconds < 60
        assert batcher.num_queued == 3
        model.gate.set()
        await waiting


async def test_request_of_a_caller_who_left_is_not_batched():
    observer = Recorder()
    async with busy(observer=observer) as (model, batcher, first):
        gone, stays = submit(batcher, [2, 3]), submit(batcher, [4])
        await until_queued(batcher, 3)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert batcher.num_queued == 1
        model.gate.set()
        await asyncio.gather(first, stays)
    assert model.batch_sizes == [1, 1]
    assert observer.outcomes == {"finished": 2, "cancelled": 1}


async def test_caller_who_leaves_during_the_pass_disturbs_nobody():
    observer = Recorder()
    async with busy(observer=observer) as (model, batcher, first):
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert batcher.num_open == 0
        model.gate.set()
        assert flat(await batcher.submit([5], 1, NEVER)) == [10]
    assert observer.outcomes == {"cancelled": 1, "finished": 1}


async def test_request_past_its_deadline_is_not_batched():
    async with busy() as (model, batcher, first):
        late = submit(batcher, [2], Deadline(time.monotonic()))
        await until_queued(batcher, 1)
        model.gate.set()
        with pytest.raises(DeadlineExceeded, match="in the queue"):
            await late
        await first
    assert model.batch_sizes == [1]


async def test_failing_pass_fails_the_requests_in_it_and_no_others(caplog):
    observer = Recorder()
    async with busy(observer=observer, max_batch_size=2) as (model, batcher, first):
        bad, beside, next_one = submit(batcher, [-1]), submit(batcher, [2]), submit(batcher, [3])
        await until_queued(batcher, 3)
        model.gate.set()
        for one in (bad, beside):
            with pytest.raises(Internal) as failure:
                await one
            assert "secret" not in str(failure.value)
        assert flat(await first) == [2]
        assert flat(await next_one) == [6]
    assert observer.outcomes == {"finished": 2, "failed": 2}
    assert "a secret of the model" in caplog.text


async def test_failure_of_one_pass_of_a_large_request_ends_all_of_it():
    model = Doubler()
    async with running(model, max_batch_size=2) as batcher:
        with pytest.raises(Internal):
            await batcher.submit([-1, 1, 2, 3, 4, 5], 6, NEVER)
        assert batcher.num_queued == 0
        assert flat(await batcher.submit([7], 1, NEVER)) == [14]


async def test_model_that_returns_too_few_results_fails_the_batch():
    batcher = Batcher("mute", [lambda slices: []], BatchLimits(4, 4), Recorder())
    batcher.start()
    with pytest.raises(Internal):
        await batcher.submit([1], 1, NEVER)
    await batcher.stop()


async def test_dead_loop_fails_all_that_is_open_and_tells(caplog):
    class Broken(Recorder):
        def passed(self, batch_size: int, seconds: float) -> None:
            raise RuntimeError("no metrics today")

    observer = Broken()
    async with busy(observer=observer, max_batch_size=1) as (model, batcher, first):
        waiting = submit(batcher, [2])
        await until_queued(batcher, 1)
        model.gate.set()
        assert str(await batcher.wait_dead()) == "no metrics today"
        assert flat(await first) == [2]
        with pytest.raises(Internal):
            await waiting
        with pytest.raises(Unavailable):
            await batcher.submit([3], 1, NEVER)
        assert batcher.last_progress() is None
    assert observer.outcomes == {"finished": 1, "failed": 1}
    assert "loop died" in caplog.text


async def test_model_that_ends_its_thread_is_a_death_too(caplog):
    def leave(slices):
        raise SystemExit

    observer = Recorder()
    batcher = Batcher("leaver", [leave], BatchLimits(4, 4), observer)
    batcher.start()
    with pytest.raises(Internal):
        await batcher.submit([1], 1, NEVER)
    assert "told to end" in str(await batcher.wait_dead())
    await batcher.stop()
    assert observer.outcomes == {"failed": 1}


async def test_stop_fails_what_is_open_and_waits_for_the_pass_in_hand():
    observer, model = Recorder(), Doubler(is_open=False)
    batcher = Batcher("doubler", [model.run], BatchLimits(4, 4), observer)
    batcher.start()
    running_one, waiting = submit(batcher, [1]), submit(batcher, [2])
    await until_busy(model)
    stopping = asyncio.create_task(batcher.stop())
    for one in (running_one, waiting):
        with pytest.raises(Unavailable, match="stopping"):
            await one
    assert not stopping.done()
    model.gate.set()
    await stopping
    assert observer.outcomes == {"failed": 2}


async def test_before_the_start_nothing_is_accepted():
    batcher = Batcher("doubler", [Doubler().run], BatchLimits(4, 4), Recorder())
    with pytest.raises(Unavailable):
        await batcher.submit([1], 1, NEVER)


async def test_progress_is_none_while_idle_and_a_moment_while_busy():
    before = time.monotonic()
    async with busy() as (model, batcher, first):
        assert before <= (batcher.last_progress() or 0.0) <= time.monotonic()
        model.gate.set()
        await first
        assert batcher.last_progress() is None


async def test_room_is_waited_for_until_a_batch_is_taken():
    async with busy(max_queued=4) as (model, batcher, _):
        waiting = submit(batcher, [1, 2, 3])
        await until_queued(batcher, 3)
        room = asyncio.create_task(batcher.wait_for_room(2))
        await asyncio.sleep(0)
        assert not room.done()
        model.gate.set()
        await room
        await waiting


async def test_delay_gathers_a_full_batch_without_waiting_to_its_end():
    model = Doubler()
    async with running(model, max_batch_size=3, delay=3600.0) as batcher:
        assert [flat(one) for one in await asyncio.gather(*(submit(batcher, [n]) for n in (1, 2, 3)))] == [
            [2],
            [4],
            [6],
        ]
    assert model.batch_sizes == [3]


async def test_delay_ends_without_company():
    async with running(Doubler(), delay=0.001) as batcher:
        assert flat(await batcher.submit([1], 1, NEVER)) == [2]


@settings(max_examples=60, deadline=None)
@given(
    requests=st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from(["stay", "stay", "leave", "fail", "late"]), st.integers(0, 6)),
        max_size=25,
    ),
    num_instances=st.integers(1, 3),
    max_batch_size=st.integers(1, 5),
    max_queued=st.integers(9, 40),
)
def test_every_request_ends_once_in_order_and_within_the_limits(requests, num_instances, max_batch_size, max_queued):
    asyncio.run(_drive(requests, num_instances, max_batch_size, max_queued))


async def _drive(requests, num_instances, max_batch_size, max_queued):
    """Send requests of (size, fate, turns of the event loop before the next) and hold each to its one proper end."""
    observer, model = Recorder(), Doubler()
    async with running(model, max_batch_size, max_queued, num_instances, observer=observer) as batcher:
        tasks = []
        for number, (size, fate, turns) in enumerate(requests):
            numbers = [100 * number + index for index in range(size)]
            if fate == "fail":
                numbers[-1] = -1
            deadline = Deadline(time.monotonic()) if fate == "late" else NEVER
            tasks.append((submit(batcher, numbers, deadline), numbers, fate))
            for _ in range(turns):
                await asyncio.sleep(0)
            if fate == "leave":
                tasks[-1][0].cancel()
            batcher.check_integrity()
        results = await asyncio.gather(*(task for task, _, _ in tasks), return_exceptions=True)
        assert batcher.num_open == 0
        assert batcher.num_queued == 0
    assert all(size <= max_batch_size for size in model.batch_sizes)
    assert sum(observer.passes) <= sum(model.batch_sizes)
    accepted = 0
    for result, (_, numbers, fate) in zip(results, tasks, strict=True):
        never_accepted = isinstance(result, ResourceExhausted) or (
            isinstance(result, asyncio.CancelledError) and fate == "leave"
        )
        accepted += not isinstance(result, ResourceExhausted)
        if isinstance(result, BaseException):
            # A batch's failure strikes those who rode in it, whatever their own fate.
            assert never_accepted or isinstance(result, Internal | DeadlineExceeded)
            assert isinstance(result, Internal) or fate != "fail" or never_accepted
            assert fate == "late" or not isinstance(result, DeadlineExceeded)
        else:
            assert flat(result) == [2 * number for number in numbers]
            assert fate in ("stay", "leave")
    num_cancelled_unseen = sum(fate == "leave" and turns == 0 for _, fate, turns in requests)
    assert accepted - num_cancelled_unseen <= len(observer.ends) <= accepted
