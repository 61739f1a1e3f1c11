"""Where a request's time went: intervals by phase, each instant counted once.

The passes of a large request overlap each other, and encoding overlaps computing; a sum of durations would exceed what
the caller waited. So an instant counts for the first of these that it belongs to: compute, encode, batch wait, queue.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from services.common.batching.request import Batched
from tandem.common.v1.timings_pb2 import Timings

Interval = tuple[float, float]  # monotonic seconds, start <= end


def timings_of(batched: Batched[Any], received_at: float, started_at: float, ended_at: float) -> Timings:
    """Return the timings of a request that the batcher had as one, and whose reply was ready at `ended_at`.

    Of most, all of it rode in one pass, and nothing overlaps.
    """
    total_seconds = ended_at - received_at
    if len(batched.passes) > 1:
        timeline = Timeline()
        timeline.add_queue(received_at, started_at)
        timeline.add_encode(started_at, batched.accepted_at)
        timeline.add_batched(batched)
        timeline.add_encode(batched.passes[-1].ended_at, ended_at)
        return timeline.timings(total_seconds)
    (one,) = batched.passes
    compute_seconds = one.ended_at - one.started_at
    return Timings(
        queue_seconds=started_at - received_at + batched.taken_at - batched.accepted_at,
        batch_wait_seconds=one.ended_at - batched.taken_at - compute_seconds,
        compute_seconds=compute_seconds,
        encode_seconds=batched.accepted_at - started_at + ended_at - one.ended_at,
        total_seconds=total_seconds,
        mean_batch_size=float(one.batch_size),
    )


class Timeline:
    """The intervals of one request."""

    def __init__(self) -> None:
        self._compute: set[Interval] = set()
        self._encode: list[Interval] = []
        self._batch_wait: set[Interval] = set()
        self._queue: list[Interval] = []
        self._num_samples = 0
        self._sum_batch_sizes = 0

    def add_batched(self, batched: Batched[Any]) -> None:
        """Enter what the batcher measured of the request or of a part of it."""
        for one in batched.passes:
            self._compute.add((one.started_at, one.ended_at))
            self._num_samples += one.num_samples
            self._sum_batch_sizes += one.num_samples * one.batch_size
        self._batch_wait.add((batched.taken_at, batched.passes[-1].ended_at))
        self._queue.append((batched.accepted_at, batched.taken_at))

    def add_encode(self, start: float, end: float) -> None:
        self._encode.append((start, end))

    def add_queue(self, start: float, end: float) -> None:
        """Enter time in which nothing was done for the request, as before its handler began."""
        self._queue.append((start, end))

    def timings(self, total_seconds: float) -> Timings:
        covered: list[Interval] = []
        seconds = [0.0]
        for phase in (self._compute, self._encode, self._batch_wait, self._queue):
            covered.extend(phase)
            seconds.append(union_seconds(covered))
        compute, encode, batch_wait, queue = (after - before for before, after in pairwise(seconds))
        return Timings(
            compute_seconds=compute,
            encode_seconds=encode,
            batch_wait_seconds=batch_wait,
            queue_seconds=queue,
            total_seconds=total_seconds,
            mean_batch_size=self._sum_batch_sizes / max(1, self._num_samples),
        )


def union_seconds(intervals: Iterable[Interval]) -> float:
    """Return how much time the intervals cover together."""
    total, covered_until = 0.0, float("-inf")
    for start, end in sorted(intervals):
        if end > covered_until:
            total += end - max(start, covered_until)
            covered_until = end
    return total
