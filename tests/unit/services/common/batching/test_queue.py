import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from runtime.deadlines import Deadline
from runtime.rpc.metadata import Owner
from services.common.batching.queue import BatchQueue
from services.common.batching.request import BatchRequest

NEVER = Deadline(math.inf)


def request(name: str, num_samples: int, deadline: Deadline = NEVER, caller: str = ""):
    return BatchRequest(name, num_samples, deadline, 0.0, lambda *_: True, caller)


def crowd(queue: BatchQueue, *requests: tuple[str, int]) -> None:
    """Add requests of (caller, size), named by their caller and a number."""
    for number, (caller, size) in enumerate(requests):
        queue.add(request(f"{caller}{number}", size, caller=caller))


def described(taken):
    slices, _ = taken
    return [(one.payload, one.start, one.stop) for one in slices]


def test_a_new_connection_of_a_caller_has_room_beyond_its_share():
    queue = BatchQueue(max_samples=10, max_samples_of_caller=6)
    old, new = Owner("a", "a:1"), Owner("a", "a:2")
    queue.add(request("first", 6, caller=old))
    assert (queue.counts.capacity_left(old), queue.counts.capacity_left(new), queue.counts.capacity_left("b")) == (
        0,
        2,
        6,
    )
    queue.add(request("second", 2, caller=new))
    assert queue.counts.capacity_left(new) == 0
    queue.check_integrity()
    queue.take(8, now=1.0)
    assert queue.counts.capacity_left(old) == 8


def test_a_request_that_does_not_fit_goes_behind_its_caller_s_others():
    queue = BatchQueue(max_samples=100)
    crowd(queue, ("hog", 10), ("hog", 1), ("a", 1))
    assert described(queue.take(4, now=1.0)) == [("hog0", 0, 4)]
    assert described(queue.take(4, now=2.0)) == [("a2", 0, 1), ("hog1", 0, 1), ("hog0", 4, 6)]
    assert described(queue.take(4, now=3.0)) == [("hog0", 6, 10)]


def test_only_a_request_alone_makes_a_batch_larger_than_a_full_one():
    queue = BatchQueue(max_samples=1000)
    crowd(queue, ("hog", 64), ("hog", 64), ("light", 1))
    assert described(queue.take(64, now=1.0, full_samples=16)) == [("hog0", 0, 64)]
    assert described(queue.take(64, now=2.0, full_samples=16)) == [("light2", 0, 1), ("hog1", 0, 15)]
    assert described(queue.take(64, now=3.0, full_samples=16)) == [("hog1", 15, 64)]


@given(
    callers=st.lists(st.sampled_from(["me", "a", "b", "c"]), max_size=40),
    limits=st.lists(st.integers(1, 9), min_size=1, max_size=8),
)
def test_a_newcomer_begins_when_it_was_told(callers, limits):
    """With requests of one sample, but for the place in the round: callers behind it have one turn less before it."""
    queue = BatchQueue(max_samples=10_000)
    crowd(queue, *((caller, 1) for caller in callers))
    ahead = queue.counts.ahead("me", 1)
    mine = request("mine", 1, caller="me")
    queue.add(mine)
    order = []
    while mine not in order:
        order += [one.request for one in queue.take(limits[len(order) % len(limits)], now=1.0)[0]]
    assert ahead - len(set(callers) - {"me"}) <= order.index(mine) <= ahead


@given(
    waiting=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 20)), max_size=30),
    limits=st.lists(st.integers(1, 9), min_size=1, max_size=8),
)
def test_who_waits_gets_as_many_samples_as_any_other_but_for_a_batch(waiting, limits):
    """Up to its last turn each waits all the time."""
    queue, served, batch = BatchQueue(max_samples=1000), Counter(), 0
    crowd(queue, *waiting)
    while queue.num_samples:
        for one in queue.take(limits[batch % len(limits)], now=1.0)[0]:
            served[one.request.caller] += one.num_samples
        queue.check_integrity()
        batch += 1
        least = min((served[caller] for caller in queue.counts.of_caller), default=max(served.values()))
        assert max(served.values()) - least <= 2 * max(limits), (served, queue.counts.of_caller)


def test_who_could_not_be_done_in_time_takes_no_place_from_others():
    queue, hopeless = BatchQueue(max_samples=100), request("hopeless", 2, Deadline(5.0))
    queue.add(hopeless)
    queue.add(request("in time", 4, Deadline(9.0)))
    taken = queue.take(4, now=4.0, pass_seconds=2.0)
    assert (taken[1], described(taken)) == ([hopeless], [("in time", 0, 4)])


def test_where_everybody_has_a_place_who_might_be_late_is_tried():
    queue = BatchQueue(max_samples=100)
    queue.add(request("perhaps", 2, Deadline(5.0)))
    queue.add(request("in time", 2, Deadline(9.0)))
    taken = queue.take(4, now=4.0, pass_seconds=2.0)
    assert (taken[1], described(taken)) == ([], [("perhaps", 0, 2), ("in time", 0, 2)])


def taken_together(queue, *requests):
    """Add the requests and take them as one batch."""
    for one in requests:
        queue.add(one)
    return queue.take(100, now=1.0)[0]


def test_slices_that_run_alone_come_first_one_a_batch_whatever_the_limit():
    queue = BatchQueue(max_samples=100)
    slices = taken_together(queue, request("a", 3), request("b", 1))
    queue.add(request("c", 4))
    queue.add_alone(slices)
    assert [described(queue.take(limit, now=2.0)) for limit in (0, 0, 8)] == [
        [("a", 0, 3)],
        [("b", 0, 1)],
        [("c", 0, 4)],
    ]


def test_slices_past_their_deadline_and_of_removed_requests_do_not_run_alone():
    queue = BatchQueue(max_samples=100)
    late, gone = request("late", 3, Deadline(5.0)), request("gone", 2)
    queue.add_alone(taken_together(queue, late, gone, request("stays", 1)))
    queue.remove(gone)
    taken = queue.take(8, now=6.0)
    assert (taken[1], described(taken)) == ([late], [("stays", 0, 1)])
    assert not queue.alone


def test_expired_slice_takes_the_rest_of_its_request_along():
    queue, late = BatchQueue(max_samples=100), request("late", 9, Deadline(5.0))
    queue.add(late)
    queue.add_alone(queue.take(4, now=1.0)[0])
    taken = queue.take(8, now=6.0)
    assert (taken[1], described(taken), queue.num_samples) == ([late], [], 0)
    queue.check_integrity()


@given(
    sizes=st.lists(st.integers(1, 20), max_size=12),
    limits=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    removed=st.sets(st.integers(0, 11)),
)
def test_every_sample_is_taken_once_in_order_and_no_batch_is_too_large(sizes, limits, removed):
    queue, taken = BatchQueue(max_samples=1000), {}
    requests = [request(str(index), size) for index, size in enumerate(sizes)]
    for one in requests:
        queue.add(one)
    for index in removed & set(range(len(requests))):
        queue.remove(requests[index])
    batch = 0
    while queue.num_samples:
        limit = limits[batch % len(limits)]
        slices = queue.take(limit, now=1.0)[0]
        assert 0 < sum(one.num_samples for one in slices) <= limit
        for one in slices:
            taken.setdefault(one.payload, []).extend(range(one.start, one.stop))
        queue.check_integrity()
        batch += 1
    kept = {str(index): list(range(size)) for index, size in enumerate(sizes) if index not in removed}
    assert taken == kept
