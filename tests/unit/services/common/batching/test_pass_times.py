"""Passes are learned by their size; a batch waits for the callers who were just answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.batching.admission import BatchAdmission, BatchLimits
from services.common.batching.pass_times import LEAST_SECONDS, SHARE_OF_PASS, BatchDelay, PassTimes
from services.common.batching.queue import BatchQueue
from services.common.waiting_line import WaitingLine
from tests.unit.services.common.batching.rig import busy, flat, submit, until_queued


def learned(**seconds: float) -> PassTimes:
    times = PassTimes()
    for size, each in seconds.items():
        times.observe(int(size.removeprefix("of_")), each)
    return times


@pytest.mark.parametrize(
    ("batch_size", "seconds"),
    [(1, 0.010), (2, 0.010), (31, 0.010), (32, 0.016), (63, 0.016), (64, 0.016), (500, 0.016)],
)
def test_a_size_that_was_not_seen_is_thought_to_take_as_long_as_the_next_smaller_one(batch_size, seconds) -> None:
    assert learned(of_1=0.010, of_40=0.016).pass_seconds(batch_size) == seconds


def test_a_single_sample_takes_no_longer_than_more_do() -> None:
    assert learned(of_1=0.5, of_4=0.010, of_64=0.016).single_seconds() == 0.010
    assert learned(of_1=0.005, of_4=0.010).single_seconds() == 0.005


def test_work_is_done_in_full_batches_by_all_instances() -> None:
    times = learned(of_1=0.010, of_64=0.064)
    assert times.work_seconds(640, 64, 2) == pytest.approx(0.32)
    assert times.work_seconds(1, 64, 2) == pytest.approx(0.005)
    assert times.work_seconds(0, 64, 2) == 0.0


@given(seconds=st.lists(st.floats(0.001, 1.0), min_size=1, max_size=50))
def test_a_mean_stays_within_what_was_seen_and_forgets(seconds: list[float]) -> None:
    times = PassTimes()
    for each in seconds:
        times.observe(8, each)
        assert min(seconds) - 1e-9 <= times.pass_seconds(8) <= max(seconds) + 1e-9
    for _ in range(60):
        times.observe(8, 0.5)
    assert times.pass_seconds(8) == pytest.approx(0.5, abs=1e-5)


SLOW = 8.0  # seconds of a pass of one sample


def delayed(pass_seconds: float = SLOW, delay: float = 0.0, num_instances: int = 2) -> BatchDelay:
    return BatchDelay(BatchLimits(16, 100, delay), num_instances, lambda: pass_seconds)


def wait(it: BatchDelay, num_waiting: int, now: float, oldest_at: float = 0.0) -> float:
    return it.wait_seconds(num_waiting, lambda: oldest_at, now)


def test_after_an_answer_it_waits_for_each_instance_s_part_of_those_who_come_back():
    it = delayed()
    assert wait(it, 1, now=100.0) == 0.0
    it.answered(1, 1, 7, now=100.0)
    assert wait(it, 3, now=100.0) == SHARE_OF_PASS * SLOW
    assert wait(it, 3, now=100.5) == pytest.approx(SHARE_OF_PASS * SLOW - 0.5)
    assert wait(it, 4, now=100.0) == 0.0
    assert wait(it, 3, now=100.0 + SHARE_OF_PASS * SLOW) == 0.0


def test_a_single_caller_is_not_waited_for_whatever_the_sizes():
    it = delayed()
    it.answered(1, 64, 0, now=100.0)
    assert wait(it, 1, now=100.0) == 0.0
    it.answered(2, 64, 0, now=100.0)
    assert wait(it, 1, now=100.0) > 0


def test_short_passes_are_not_waited_for():
    it = delayed(pass_seconds=0.9 * LEAST_SECONDS / SHARE_OF_PASS)
    it.answered(1, 1, 99, now=100.0)
    assert wait(it, 1, now=100.0) == 0.0


def test_the_delay_that_is_set_holds_beside_it():
    it = delayed(delay=3.0)
    assert wait(it, 1, now=100.0, oldest_at=99.0) == 2.0
    it.answered(1, 1, 7, now=100.0)
    assert wait(it, 1, now=100.0, oldest_at=97.5) == SHARE_OF_PASS * SLOW
    assert wait(it, 1, now=100.0, oldest_at=99.5) == 2.5
    assert wait(it, 4, now=100.0, oldest_at=96.0) == 0.0


@pytest.mark.parametrize(
    ("passes", "seconds"), [([(1, 80.0)], 80.0), ([(64, 80.0)], 0.0), ([(1, 500.0), (4, 10.0)], 10.0)]
)
def test_the_delay_is_an_eighth_of_the_mean_pass_of_one_sample(passes, seconds):
    """A mean of nothing but single passes, unknown without any, and no longer than passes of more."""
    limits, now = BatchLimits(64, 1000), [0.0]
    queue = BatchQueue(1000)
    admission = BatchAdmission("doubler", limits, queue, WaitingLine(queue.counts), 1, lambda: now[0])
    it = BatchDelay(limits, 1, admission.single_seconds)
    for batch_size, each in passes:
        admission.gave(0, batch_size)
        now[0] += each
        admission.ended(0, is_ok=True)
    it.answered(2, 2, 6, now=100.0)
    assert wait(it, 1, now=100.0) == seconds / 8


async def test_the_wait_ends_without_who_does_not_come_back(monkeypatch):
    async with busy() as (model, batcher, first):
        monkeypatch.setattr(batcher, "_delay", BatchDelay(batcher._limits, 1, lambda: 0.01 / SHARE_OF_PASS))
        others = [submit(batcher, [number]) for number in (2, 3)]
        await until_queued(batcher, 2)
        model.gate.set()
        assert flat(await first) == [2]
        assert [flat(await each) for each in others] == [[4], [6]]
    assert model.batch_sizes == [1, 2]
