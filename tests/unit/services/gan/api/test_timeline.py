import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.batching.request import Batched, Pass
from services.gan.api.timeline import Timeline, timings_of, union_seconds
from tandem.shared.metrics import TIMINGS_FIELDS, phase_seconds


def batched(accepted_at: float, taken_at: float, *passes: Pass) -> Batched[object]:
    return Batched([], accepted_at, taken_at, list(passes))


def test_waiting_between_the_passes_of_a_large_request_is_batch_wait():
    timeline = Timeline()
    passes = (Pass(1.0, 2.0, num_samples=4, batch_size=4), Pass(4.0, 5.0, num_samples=4, batch_size=4))
    timeline.add_batched(batched(0.0, 1.0, *passes))
    timings = timeline.timings(5.0)
    assert timings.batch_wait_seconds == pytest.approx(2.0)
    assert timings.queue_seconds == pytest.approx(1.0)


def test_mean_batch_size_is_weighted_by_the_samples():
    timeline = Timeline()
    passes = (Pass(0.0, 1.0, num_samples=30, batch_size=64), Pass(1.0, 2.0, num_samples=10, batch_size=10))
    timeline.add_batched(batched(0.0, 0.0, *passes))
    assert timeline.timings(2.0).mean_batch_size == pytest.approx((30 * 64 + 10 * 10) / 40)


instants = st.floats(0, 100)
intervals = st.tuples(instants, instants).map(lambda pair: (min(pair), max(pair)))


@given(
    st.lists(st.tuples(instants, instants, instants, instants).map(sorted), min_size=1, max_size=8),
    st.lists(intervals, max_size=8),
)
def test_phases_never_add_up_to_more_than_the_total(parts, encodes):
    timeline = Timeline()
    for accepted_at, taken_at, started_at, ended_at in parts:
        timeline.add_batched(batched(accepted_at, taken_at, Pass(started_at, ended_at, 1, 1)))
    for start, end in encodes:
        timeline.add_encode(start, end)
    timings = timeline.timings(100.0)
    assert min(phase_seconds(timings).values(), default=0.0) >= 0.0
    assert sum(phase_seconds(timings).values()) <= 100.0 + 1e-6


@given(st.lists(instants, min_size=7, max_size=7).map(sorted))
def test_the_phases_of_one_pass_are_those_that_unions_give(moments):
    received_at, started_at, accepted_at, taken_at, began_at, done_at, ended_at = moments
    one = batched(accepted_at, taken_at, Pass(began_at, done_at, 1, 1))
    timeline = Timeline()
    timeline.add_queue(received_at, started_at)
    timeline.add_encode(started_at, accepted_at)
    timeline.add_batched(one)
    timeline.add_encode(done_at, ended_at)
    expected = timeline.timings(ended_at - received_at)
    found = timings_of(one, received_at, started_at, ended_at)
    assert [getattr(found, name) for name in TIMINGS_FIELDS] == pytest.approx(
        [getattr(expected, name) for name in TIMINGS_FIELDS], abs=1e-9
    )


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted)))
def test_union_is_the_number_of_covered_seconds(pairs):
    covered = {second for start, end in pairs for second in range(start, end)}
    assert union_seconds(pairs) == len(covered)
