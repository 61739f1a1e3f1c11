"""Whatever requests ride together, each ends once, as it must."""

import asyncio
import time
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.deadlines import Deadline
from tandem.shared.errors import DeadlineExceeded, Internal, ModelFault, ResourceExhausted
from tests.unit.services.common.batching.fakes import NOT_FINITE, Doubler, Recorder
from tests.unit.services.common.batching.rig import NEVER, flat, running, submit

OUTCOMES = ["stay", "stay", "stay", "leave", "raise", "fault", "late"]


@settings(max_examples=60)
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
                for place in {where % size, size - 1 if where % 2 else where % size}:  # in one slice, or in two
                    numbers[place] = -1 if outcome == "raise" else NOT_FINITE
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
