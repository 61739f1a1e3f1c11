"""Every batch is covered, at the least cost there is."""

from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.runtimes.batch_plan import LARGEST_COMPILED, BatchPlan, sizes_up_to, unmeasured


@pytest.mark.parametrize(
    ("max_batch_size", "sizes"),
    [
        (1, (1,)),
        (3, (1, 2, 3)),
        (64, (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64)),
        (40, (1, 2, 4, 6, 8, 12, 16, 24, 32, 40)),
        (4096, sizes_up_to(64)),
    ],
)
def test_sizes(max_batch_size, sizes):
    assert sizes_up_to(max_batch_size) == sizes
    assert sizes[-1] <= LARGEST_COMPILED


def cost(parts, seconds):
    return sum(seconds[each] for each in parts) + 0.5 * min(seconds.values()) * len(parts)


@given(st.dictionaries(st.sampled_from([1, 2, 4, 8]), st.floats(0.01, 10), min_size=1), st.integers(1, 8))
def test_no_other_split_is_cheaper(seconds, count):
    largest = max(seconds)
    count = min(count, largest)
    parts = BatchPlan(seconds).split(count)
    assert sum(parts) >= count
    assert sum(parts) - parts[-1] < count, "a pass without a sample"
    choices = (each for n in range(1, count + 1) for each in combinations_with_replacement(sorted(seconds), n))
    best = min(cost(each, seconds) for each in choices if sum(each) >= count)
    assert cost(parts, seconds) == pytest.approx(best)


def test_one_more_than_a_size_is_a_pass_of_its_own_where_that_is_cheaper():
    seconds = {1: 1.0, 2: 1.5, 4: 2.5, 32: 10.0, 64: 18.0}
    assert list(BatchPlan(seconds).split(33)) == [32, 1]
    assert list(BatchPlan(seconds).split(62)) == [64]


def test_a_doubtful_gain_does_not_split_a_batch():
    measured_on_a_busy_machine = {1: 0.75, 2: 0.93, 4: 2.1, 8: 4.0, 16: 7.9}
    assert list(BatchPlan(measured_on_a_busy_machine).split(16)) == [16]


def test_before_anything_was_measured_each_compiled_size_is_one_pass():
    sizes = sizes_up_to(64)
    plan = BatchPlan(unmeasured(sizes))
    assert [list(plan.split(size)) for size in sizes] == [[size] for size in sizes]
    assert list(plan.split(40)) == [32, 8]
    assert list(plan.split(23)) == [24]


def test_batches_beyond_the_largest_size():
    plan = BatchPlan({1: 1.0, 4: 2.0})
    assert list(plan.split(13)) == [4, 4, 4, 1]
    assert list(plan.split(12)) == [4, 4, 4]
