import asyncio
import contextlib
import itertools
import math
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.deadlines import Deadline
from runtime.errors import DeadlineExceeded, Internal, ModelFault, ResourceExhausted, Unavailable
from services.common.batching.admission import BatchLimits
from services.common.batching.batcher import Batcher
from tests.unit.services.common.batching.fakes import NOT_FINITE, Doubler, Recorder, Stepwise

NEVER = Deadline(math.inf)


@contextlib.asynccontextmanager
async def running(
    model: Doubler,
    max_batch_size=4,
    max_queued=100,
    num_instances=1,
    delay=0.0,
    observer=None,
    num_spare=0,
    preferred_batch_size=None,
):
    """A started batcher; at the end the gate is open and the books must balance."""
    limits = BatchLimits(max_batch_size, max_queued, delay, preferred_batch_size=preferred_batch_size)
    runs = [model.run] * (num_instances + num_spare)
    batcher = Batcher("doubler", runs, limits, observer or Recorder(), num_spare)
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
        assert await asyncio.to_thread(model.entered.acquire, timeout=20), "no batch came"


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


async def test_a_spare_instance_takes_a_full_batch_while_the_others_compute():
    async with busy(num_spare=1) as (model, batcher, first):
        part = [submit(batcher, [number]) for number in (2, 3, 4)]
        await until_queued(batcher, 3)
        assert model.batch_sizes == [1], "a batch that others could join has begun"
        rest = submit(batcher, [5, 6])
        await until_busy(model)
        assert model.batch_sizes == [1, 4]
        assert batcher.num_queued == 1
        model.gate.set()
        assert [flat(await one) for one in (first, *part, rest)] == [[2], [4], [6], [8], [10, 12]]
    assert model.batch_sizes == [1, 4, 1]


async def test_a_batch_of_several_requests_ends_at_the_preferred_size():
    async with busy(preferred_batch_size=2) as (model, batcher, first):
        rest = [submit(batcher, [number]) for number in (2, 3, 4)]
        await until_queued(batcher, 3)
        model.gate.set()
        await asyncio.gather(first, *rest)
    assert model.batch_sizes == [1, 2, 1]


async def test_a_large_request_goes_beyond_the_preferred_size():
    async with busy(preferred_batch_size=2) as (model, batcher, first):
        rest = [submit(batcher, numbers) for numbers in ([2], [3, 4, 5, 6], [7])]
        await until_queued(batcher, 6)
        model.gate.set()
        await asyncio.gather(first, *rest)
    assert model.batch_sizes == [1, 4, 2]


async def test_a_spare_instance_takes_a_batch_of_the_preferred_size():
    async with busy(num_spare=1, preferred_batch_size=2) as (model, batcher, first):
        rest = submit(batcher, [2, 3])
        await until_busy(model)
        model.gate.set()
        await asyncio.gather(first, rest)


async def test_idle_instances_share_without_the_spare_one():
    model = Doubler(is_open=False)
    async with running(model, num_instances=2, num_spare=1) as batcher:
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
        with pytest.raises(DeadlineExceeded, match="before the work could be done"):
            await late
        await first
    assert model.batch_sizes == [1]


async def test_failing_request_fails_alone_and_those_beside_it_get_their_results(caplog):
    observer = Recorder()
    async with busy(observer=observer) as (model, batcher, first):
        good, bad, other = submit(batcher, [2]), submit(batcher, [-1]), submit(batcher, [3])
        await until_queued(batcher, 3)
        model.gate.set()
        with pytest.raises(Internal) as failure:
            await bad
        assert "secret" not in str(failure.value)
        assert [flat(await one) for one in (first, good, other)] == [[2], [4], [6]]
    assert model.batch_sizes == [1, 3, 1, 1, 1]
    assert observer.outcomes == {"finished": 3, "failed": 1}
    assert observer.passes == [1, 1, 1]
    assert "a secret of the model" in caplog.text


async def test_pass_of_a_request_that_ran_again_is_the_one_that_it_finished_in():
    async with held_in_failing_batch([2], [3]) as (model, _, (good, _)):
        moment = time.monotonic()
        model.gate.set()
        batched = await good
    assert [(one.num_samples, one.batch_size) for one in batched.passes] == [(1, 1)]
    assert batched.accepted_at <= batched.taken_at <= moment <= batched.passes[0].started_at


@contextlib.asynccontextmanager
async def held_in_failing_batch(*payloads, deadlines=(), observer=None):
    """A batcher whose model holds a batch of a request that fails, [-1], and of `payloads`, whose tasks are yielded."""
    model = Stepwise()
    async with running(model, observer=observer, max_batch_size=8) as batcher:
        first = submit(batcher, [1])
        await until_busy(model)
        bad = submit(batcher, [-1])
        others = [
            submit(batcher, payload, deadline)
            for payload, deadline in itertools.zip_longest(payloads, deadlines, fillvalue=NEVER)
        ]
        await until_queued(batcher, 1 + sum(map(len, payloads)))
        model.steps.release()
        await first
        await until_busy(model)
        yield model, batcher, others
        model.gate.set()
        with pytest.raises(Internal):
            await bad


async def test_caller_who_left_during_the_failing_pass_is_not_run_again():
    observer = Recorder()
    async with held_in_failing_batch([2], [3, 4], observer=observer) as (model, _, (leaves, stays)):
        leaves.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaves
        model.gate.set()
        assert flat(await stays) == [6, 8]
    assert model.batch_sizes == [1, 4, 1, 2]
    assert observer.outcomes == {"finished": 2, "cancelled": 1, "failed": 1}


async def test_caller_who_leaves_while_others_run_again_is_not_run_again():
    async with held_in_failing_batch([2], [3]) as (model, batcher, (stays, leaves)):
        model.steps.release()  # the batch, which fails
        await until_busy(model)  # [-1], alone
        leaves.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaves
        batcher.check_integrity()
        model.gate.set()
        assert flat(await stays) == [4]
    assert model.batch_sizes == [1, 3, 1, 1]


async def test_request_past_its_deadline_is_not_run_again():
    observer, soon = Recorder(), Deadline.after(0.05)
    async with held_in_failing_batch([2], [3], deadlines=[soon], observer=observer) as (model, _, tasks):
        while not soon.has_passed():
            await asyncio.sleep(0)
        model.gate.set()
        late, stays = tasks
        with pytest.raises(DeadlineExceeded):
            await late
        assert flat(await stays) == [6]
    # Had the machine been too slow for the first pass, the late one would have left the queue before it.
    assert model.batch_sizes in ([1, 3, 1, 1], [1, 2, 1, 1])
    assert observer.outcomes == {"finished": 2, "cancelled": 1, "failed": 1}


async def test_batch_that_fails_only_as_a_whole_costs_nobody():
    model, observer = Doubler(is_open=False, max_samples=2), Recorder()
    async with running(model, observer=observer) as batcher:
        first = submit(batcher, [1])
        await until_busy(model)
        others = [submit(batcher, numbers) for numbers in ([2, 3], [4], [5])]
        await until_queued(batcher, 4)
        model.gate.set()
        assert [flat(await one) for one in (first, *others)] == [[2], [4, 6], [8], [10]]
    assert model.batch_sizes == [1, 4, 2, 1, 1]
    assert observer.outcomes == {"finished": 4}


async def test_model_that_always_fails_runs_each_request_once_more_and_no_more():
    calls: list[int] = []

    def fail(slices):
        calls.append(len(slices))
        raise ArithmeticError

    batcher = Batcher("broken", [fail], BatchLimits(4, 8), Recorder())
    batcher.start()
    results = await asyncio.gather(*(batcher.submit([n], 1, NEVER) for n in range(8)), return_exceptions=True)
    batcher.check_integrity()
    await batcher.stop()
    assert [type(one) for one in results] == [Internal] * 8
    assert calls == [4, 1, 1, 1, 1] * 2


async def test_result_may_be_the_failure_of_one_slice_and_the_batch_is_not_run_again(caplog):
    observer = Recorder()
    async with busy(observer=observer) as (model, batcher, first):
        good, bad, other = submit(batcher, [2]), submit(batcher, [NOT_FINITE]), submit(batcher, [3, 4])
        await until_queued(batcher, 4)
        model.gate.set()
        with pytest.raises(ModelFault, match="other requests are not affected"):
            await bad
        assert [flat(await one) for one in (first, good, other)] == [[2], [4], [6, 8]]
        assert [one.batch_size for one in (await other).passes] == [4]
    assert model.batch_sizes == [1, 4]
    assert observer.passes == [1, 4]
    assert observer.outcomes == {"finished": 3, "failed": 1}
    assert "doubler: a request failed" in caplog.text


async def test_large_request_with_two_failing_slices_ends_once():
    observer, model = Recorder(), Doubler(is_open=False)
    async with running(model, num_instances=2, observer=observer) as batcher:
        large = submit(batcher, [NOT_FINITE, 1, -1, 2])
        await until_busy(model, num_batches=2)
        model.gate.set()
        with pytest.raises((Internal, ModelFault)):
            await large
        assert flat(await batcher.submit([7], 1, NEVER)) == [14]
    assert observer.ends[0] == ("failed", 4)
    assert observer.outcomes == {"failed": 1, "finished": 1}


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


OUTCOMES = ["stay", "stay", "stay", "leave", "raise", "fault", "late"]


@settings(max_examples=60, deadline=None)
@given(
    requests=st.lists(st.tuples(st.integers(1, 9), st.sampled_from(OUTCOMES), st.integers(0, 6)), max_size=25),
    num_instances=st.integers(1, 3),
    max_batch_size=st.integers(1, 8),
    max_queued=st.integers(9, 40),
    max_samples=st.sampled_from([1, 4, 100]),
    where=st.integers(0, 8),
    num_spare=st.integers(0, 1),
    preferred_batch_size=st.none() | st.integers(1, 3),
)
def test_every_request_ends_once_as_it_must_whatever_it_rides_with(
    requests, num_instances, max_batch_size, max_queued, max_samples, where, num_spare, preferred_batch_size
):
    model = Doubler(max_samples=max_samples)
    limits = {"max_batch_size": max_batch_size, "max_queued": max_queued, "preferred_batch_size": preferred_batch_size}
    instances = {"num_instances": num_instances, "num_spare": num_spare}
    asyncio.run(_drive(requests, model, where, limits, instances))


async def _drive(requests, model, where, limits, instances):
    """Send requests of (size, outcome, turns of the event loop before the next) and hold each to its one proper end."""
    observer = Recorder()
    async with running(model, observer=observer, **limits, **instances) as batcher:
        tasks = []
        for number, (size, outcome, turns) in enumerate(requests):
            numbers = [100 * number + index for index in range(size)]
            if outcome in ("raise", "fault"):
                numbers[where % size] = -1 if outcome == "raise" else NOT_FINITE
            deadline = Deadline(time.monotonic()) if outcome == "late" else NEVER
            tasks.append((submit(batcher, numbers, deadline), numbers, outcome))
            for _ in range(turns):
                await asyncio.sleep(0)
            if outcome == "leave":
                tasks[-1][0].cancel()
            batcher.check_integrity()
        results = await asyncio.gather(*(task for task, _, _ in tasks), return_exceptions=True)
        assert (batcher.num_open, batcher.num_queued) == (0, 0)
    assert all(size <= limits["max_batch_size"] for size in model.batch_sizes)
    # Nothing runs more than twice, and what the observer saw are the passes that went well.
    runs = Counter((one.request, one.start) for one in model.slices)
    assert max(runs.values(), default=0) <= 2
    assert Counter(observer.passes) <= Counter(model.good_sizes)
    for result, (_, numbers, outcome) in zip(results, tasks, strict=True):
        _check_end(result, numbers, outcome, model)
    accepted = sum(not isinstance(result, ResourceExhausted) for result in results)
    num_cancelled_unseen = sum(outcome == "leave" and turns == 0 for _, outcome, turns in requests)
    assert accepted - num_cancelled_unseen <= len(observer.ends) <= accepted


PROPER_ENDS = {
    "stay": (),
    "leave": (asyncio.CancelledError,),
    "raise": (Internal,),
    "fault": (ModelFault,),
    "late": (DeadlineExceeded,),
}


def _check_end(result, numbers, outcome, model):
    if isinstance(result, BaseException):
        assert isinstance(result, (ResourceExhausted, *PROPER_ENDS[outcome])), (outcome, result)
        return
    assert outcome in ("stay", "leave")
    assert flat(result) == [2 * number for number in numbers]
    assert sum(one.num_samples for one in result.passes) == len(numbers)
    assert {one.batch_size for one in result.passes} <= set(model.good_sizes)
    assert all(result.taken_at <= one.started_at <= one.ended_at for one in result.passes)
