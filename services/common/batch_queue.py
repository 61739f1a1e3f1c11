"""The bounded queue of one batcher: who waits, in which order, and what makes up the next batch.

Plain data without threads or event loop; a test can drive it step by step.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic

from services.common.batch_request import BatchRequest, Payload, Result, Slice


@dataclass(frozen=True, slots=True)
class Taken(Generic[Payload, Result]):
    """What one look into the queue brought."""

    slices: list[Slice[Payload, Result]]
    expired: list[BatchRequest[Payload, Result]]


class BatchQueue(Generic[Payload, Result]):
    """First come, first served by the batch: a request that does not fit one goes behind the others for its rest.

    Slices whose batch failed come before all others, each as a batch of its own. They count as taken, not as waiting.

    Invariant: num_samples is the sum of what the requests in the queue still have waiting, and at most max_samples.
    """

    def __init__(self, max_samples: int) -> None:
        self.max_samples = max_samples
        self.num_samples = 0
        self._requests: OrderedDict[BatchRequest[Payload, Result], None] = OrderedDict()
        self._alone: deque[Slice[Payload, Result]] = deque()

    def has_room(self, num_samples: int) -> bool:
        return self.num_samples + num_samples <= self.max_samples

    @property
    def oldest(self) -> BatchRequest[Payload, Result]:
        """The request that is next; the queue must not be empty."""
        return next(iter(self._requests))

    @property
    def alone(self) -> Sequence[Slice[Payload, Result]]:
        """The slices that are next, each to make up a batch by itself."""
        return self._alone

    def add(self, request: BatchRequest[Payload, Result]) -> None:
        self._requests[request] = None
        self.num_samples += request.num_waiting

    def add_alone(self, slices: Iterable[Slice[Payload, Result]]) -> None:
        """Let slices of a batch that failed make up the next batches, one each."""
        self._alone.extend(slices)

    def remove(self, request: BatchRequest[Payload, Result]) -> None:
        """Take out what is left of the request; no effect if nothing of it waits."""
        if self._alone:
            self._alone = deque(one for one in self._alone if one.request is not request)
        if request in self._requests:
            del self._requests[request]
            self.num_samples -= request.num_waiting

    def take(self, max_samples: int, now: float) -> Taken[Payload, Result]:
        """Return the next batch, of at most `max_samples` samples, and the requests that came too late for it.

        A slice that runs alone keeps the size that it had.
        """
        if self._alone:
            return self._take_alone(now)
        taken: Taken[Payload, Result] = Taken([], [])
        room = max_samples
        while room and self._requests:
            request = next(iter(self._requests))
            if request.deadline.instant <= now:
                self.remove(request)
                taken.expired.append(request)
                continue
            taken.slices.append(request.take(room, now))
            num_taken = taken.slices[-1].num_samples
            room -= num_taken
            self.num_samples -= num_taken
            if request.num_waiting:
                self._requests.move_to_end(request)
            else:
                del self._requests[request]
        return taken

    def _take_alone(self, now: float) -> Taken[Payload, Result]:
        taken: Taken[Payload, Result] = Taken([], [])
        while self._alone and not taken.slices:
            one = self._alone.popleft()
            if one.request.deadline.instant <= now:
                self.remove(one.request)
                taken.expired.append(one.request)
            else:
                taken.slices.append(one)
        return taken

    def check_integrity(self) -> None:
        """Raises AssertionError if the count is not what the requests add up to."""
        waiting = [request.num_waiting for request in self._requests]
        assert all(count > 0 for count in waiting), f"a request with nothing left waits: {waiting}"  # noqa: S101
        places = [(id(one.request), one.start) for one in self._alone]
        assert len(set(places)) == len(places), "a slice is to run alone twice"  # noqa: S101
        assert sum(waiting) == self.num_samples, f"{waiting} do not add up to {self.num_samples}"  # noqa: S101
        assert 0 <= self.num_samples <= self.max_samples, f"{self.num_samples} of {self.max_samples}"  # noqa: S101
