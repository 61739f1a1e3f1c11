import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.deadlines import Deadline
from services.common.batch_queue import BatchQueue
from services.common.batch_request import BatchRequest

NEVER = Deadline(math.inf)


def request(loop: asyncio.AbstractEventLoop, name: str, num_samples: int, deadline: Deadline = NEVER):
    return BatchRequest(name, num_samples, deadline, 0.0, loop.create_future())


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def described(taken):
    return [(one.payload, one.start, one.stop) for one in taken.slices]


def test_requests_ride_together_first_come_first_served(loop):
    queue = BatchQueue(max_samples=100)
    for name, size in (("a", 1), ("b", 2), ("c", 1)):
        queue.add(request(loop, name, size))
    assert described(queue.take(8, now=1.0)) == [("a", 0, 1), ("b", 0, 2), ("c", 0, 1)]
    assert queue.num_samples == 0


def test_large_request_is_split_and_its_rest_goes_behind_the_others(loop):
    queue = BatchQueue(max_samples=100)
    queue.add(request(loop, "large", 10))
    queue.add(request(loop, "small", 1))
    assert described(queue.take(4, now=1.0)) == [("large", 0, 4)]
    assert described(queue.take(4, now=2.0)) == [("small", 0, 1), ("large", 4, 7)]
    assert described(queue.take(4, now=3.0)) == [("large", 7, 10)]


def test_taken_at_is_when_the_first_sample_was_taken(loop):
    queue, large = BatchQueue(max_samples=100), request(loop, "large", 10)
    queue.add(large)
    queue.take(4, now=1.0)
    queue.take(4, now=2.0)
    assert large.taken_at == 1.0


def test_room_is_counted_in_samples(loop):
    queue = BatchQueue(max_samples=4)
    queue.add(request(loop, "a", 3))
    assert queue.has_room(1)
    assert not queue.has_room(2)


def test_removing_gives_the_room_back_and_is_harmless_twice(loop):
    queue, gone = BatchQueue(max_samples=4), request(loop, "gone", 4)
    queue.add(gone)
    queue.remove(gone)
    queue.remove(gone)
    assert queue.has_room(4)
    assert described(queue.take(4, now=1.0)) == []


def test_requests_past_their_deadline_are_not_batched(loop):
    queue, late = BatchQueue(max_samples=100), request(loop, "late", 3, Deadline(5.0))
    queue.add(late)
    queue.add(request(loop, "in time", 2, Deadline(7.0)))
    taken = queue.take(2, now=6.0)
    assert taken.expired == [late]
    assert described(taken) == [("in time", 0, 2)]
    assert queue.num_samples == 0


def taken_together(queue, *requests):
    """Add the requests and take them as one batch."""
    for one in requests:
        queue.add(one)
    return queue.take(100, now=1.0).slices


def test_slices_that_run_alone_come_first_one_a_batch_whatever_the_limit(loop):
    queue = BatchQueue(max_samples=4)
    slices = taken_together(queue, request(loop, "a", 3), request(loop, "b", 1))
    queue.add(request(loop, "c", 4))
    queue.add_alone(slices)
    assert queue.num_samples == 4
    assert [described(queue.take(0, now=2.0)) for _ in range(2)] == [[("a", 0, 3)], [("b", 0, 1)]]
    assert described(queue.take(8, now=2.0)) == [("c", 0, 4)]


def test_slices_past_their_deadline_and_of_removed_requests_do_not_run_alone(loop):
    queue = BatchQueue(max_samples=100)
    late, gone = request(loop, "late", 3, Deadline(5.0)), request(loop, "gone", 2)
    queue.add_alone(taken_together(queue, late, gone, request(loop, "stays", 1)))
    queue.remove(gone)
    taken = queue.take(8, now=6.0)
    assert (taken.expired, described(taken)) == ([late], [("stays", 0, 1)])
    assert not queue.alone


def test_expired_slice_takes_the_rest_of_its_request_along(loop):
    queue, late = BatchQueue(max_samples=100), request(loop, "late", 9, Deadline(5.0))
    queue.add(late)
    queue.add_alone(queue.take(4, now=1.0).slices)
    taken = queue.take(8, now=6.0)
    assert (taken.expired, described(taken), queue.num_samples) == ([late], [], 0)
    queue.check_integrity()


def test_integrity_check_finds_a_slice_that_runs_alone_twice(loop):
    queue = BatchQueue(max_samples=4)
    queue.add_alone(taken_together(queue, request(loop, "a", 3)) * 2)
    with pytest.raises(AssertionError, match="twice"):
        queue.check_integrity()


def test_integrity_check_finds_a_wrong_count(loop):
    queue = BatchQueue(max_samples=4)
    queue.add(request(loop, "a", 3))
    queue.num_samples = 2
    with pytest.raises(AssertionError, match="do not add up to 2"):
        queue.check_integrity()


@given(
    sizes=st.lists(st.integers(1, 20), max_size=12),
    limits=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    removed=st.sets(st.integers(0, 11)),
)
def test_every_sample_is_taken_once_in_order_and_no_batch_is_too_large(sizes, limits, removed):
    loop = asyncio.new_event_loop()
    queue, taken = BatchQueue(max_samples=1000), {}
    requests = [request(loop, str(index), size) for index, size in enumerate(sizes)]
    for one in requests:
        queue.add(one)
    for index in removed & set(range(len(requests))):
        queue.remove(requests[index])
    batch = 0
    while queue.num_samples:
        limit = limits[batch % len(limits)]
        slices = queue.take(limit, now=1.0).slices
        assert 0 < sum(one.num_samples for one in slices) <= limit
        for one in slices:
            taken.setdefault(one.payload, []).extend(range(one.start, one.stop))
        queue.check_integrity()
        batch += 1
    kept = {str(index): list(range(size)) for index, size in enumerate(sizes) if index not in removed}
    assert taken == kept
    loop.close()
