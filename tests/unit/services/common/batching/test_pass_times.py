"""What passes took, by size: nothing is known before there was one, and nothing is guessed upwards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.batching.pass_times import PassTimes


def learned(**seconds: float) -> PassTimes:
    times = PassTimes()
    for size, each in seconds.items():
        times.observe(int(size.removeprefix("of_")), each)
    return times


def test_nothing_is_known_at_first() -> None:
    assert PassTimes().pass_seconds(64) == PassTimes().work_seconds(4096, 64, 2) == 0.0


@pytest.mark.parametrize(
    ("batch_size", "seconds"),
    [(1, 0.010), (2, 0.010), (31, 0.010), (32, 0.016), (63, 0.016), (64, 0.016), (500, 0.016)],
)
def test_a_size_that_was_not_seen_is_thought_to_take_as_long_as_the_next_smaller_one(batch_size, seconds) -> None:
    assert learned(of_1=0.010, of_40=0.016).pass_seconds(batch_size) == seconds


def test_below_all_that_were_seen_the_smallest_counts() -> None:
    assert learned(of_64=0.016).pass_seconds(1) == 0.016


def test_a_single_sample_takes_no_longer_than_more_do() -> None:
    assert learned(of_1=0.5, of_4=0.010, of_64=0.016).single_seconds() == 0.010
    assert learned(of_1=0.005, of_4=0.010).single_seconds() == 0.005


def test_a_single_sample_s_time_is_not_known_before_one_ran() -> None:
    assert PassTimes().single_seconds() == learned(of_64=0.016).single_seconds() == 0.0


def test_work_is_done_in_full_batches_by_all_instances() -> None:
    times = learned(of_1=0.010, of_64=0.064)
    assert times.work_seconds(640, 64, 2) == pytest.approx(0.32)
    assert times.work_seconds(1, 64, 2) == pytest.approx(0.005)
    assert times.work_seconds(0, 64, 2) == 0.0


def test_a_burst_after_single_samples_is_not_thought_slower_than_single_passes() -> None:
    assert learned(of_1=0.010).work_seconds(640, 64, 1) == pytest.approx(0.1)


@given(seconds=st.lists(st.floats(0.001, 1.0), min_size=1, max_size=50))
def test_a_mean_stays_within_what_was_seen_and_forgets(seconds: list[float]) -> None:
    times = PassTimes()
    for each in seconds:
        times.observe(8, each)
        assert min(seconds) - 1e-9 <= times.pass_seconds(8) <= max(seconds) + 1e-9
    for _ in range(60):
        times.observe(8, 0.5)
    assert times.pass_seconds(8) == pytest.approx(0.5, abs=1e-5)
