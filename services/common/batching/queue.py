"""The bounded queue of one batcher: who waits, in which order, and what makes up the next batch.

Plain data without threads or event loop; a test can drive it step by step.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Generic

from runtime.rpc.metadata import NOBODY
from services.common.batching.request import BatchRequest, Payload, Result, Slice
from services.common.fair_queue import CallerCounts, FairQueue


class BatchQueue(Generic[Payload, Result]):
    """Callers take turns by the samples that they are served, first come first served within each. A request that does
    not fit the batch goes behind its caller's others for its rest.

    Slices whose batch failed come before all others, each as a batch of its own. They count as taken, not as waiting.

    Invariant: num_samples is the sum of what the requests in the queue still have waiting, and at most max_samples; so
    it is for each caller, with what caller_share.py gives it by max_samples_of_caller.
    """

    def __init__(self, max_samples: int, max_samples_of_caller: int | None = None) -> None:
        self.max_samples = max_samples
        self.max_samples_of_caller = max_samples if max_samples_of_caller is None else max_samples_of_caller
        self.counts = CallerCounts(self.max_samples_of_caller, max_samples)  # of samples that wait
        self._num_of_caller = self.counts.of_caller
        self._requests: FairQueue[BatchRequest[Payload, Result]] = FairQueue()
        self._alone: deque[Slice[Payload, Result]] = deque()

    @property
    def num_samples(self) -> int:
        return self.counts.total

    @property
    def num_callers(self) -> int:
        """How many callers have samples here."""
        return len(self._num_of_caller)

    def mean_samples(self, caller: str) -> float:
        """Return how many samples the waiting requests of a caller have on average, 1 without any."""
        num_requests = self._requests.of_connections(caller).total()
        return self._num_of_caller[caller] / num_requests if num_requests else 1.0

    @property
    def oldest_at(self) -> float:
        """When the first of the waiting requests was accepted, monotonic seconds; the queue must not be empty."""
        return min(request.accepted_at for request in self._requests)

    @property
    def alone(self) -> Sequence[Slice[Payload, Result]]:
        """The slices that are next, each to make up a batch by itself."""
        return self._alone

    def add(self, request: BatchRequest[Payload, Result]) -> None:
        self._requests.add(request)
        self.counts.add(request.caller, request.num_waiting)

    def add_alone(self, slices: Iterable[Slice[Payload, Result]]) -> None:
        """Let slices of a batch that failed make up the next batches, one each."""
        self._alone.extend(slices)

    def remove(self, request: BatchRequest[Payload, Result]) -> None:
        """Take out what is left of the request; no effect if nothing of it waits."""
        if self._alone:
            self._alone = deque(one for one in self._alone if one.request is not request)
        if request.num_waiting and self._requests.remove(request):
            self.counts.add(request.caller, -request.num_waiting)

    def take(
        self, max_samples: int, now: float, pass_seconds: float = 0.0, full_samples: int | None = None
    ) -> tuple[list[Slice[Payload, Result]], list[BatchRequest[Payload, Result]]]:
        """Return the next batch, of at most `max_samples` samples, and the requests that came too late for it.

        Only a request that is alone in it makes it larger than `full_samples`; None: `max_samples`.
        While more wait than it holds, those are too late as well that would end past their deadline, in `pass_seconds`:
        they would take places from others and be of no use. A slice that runs alone keeps the size that it had.
        """
        if self._alone:
            return self._take_alone(now)
        slices: list[Slice[Payload, Result]] = []
        expired: list[BatchRequest[Payload, Result]] = []
        room = max_samples
        least_room = 0 if full_samples is None else max_samples - full_samples
        while room > least_room and self._requests:
            request = self._requests.first
            ends_at = now + (pass_seconds if self.num_samples > room - least_room else 0.0)
            if request.deadline.instant <= ends_at:
                self.remove(request)
                expired.append(request)
                continue
            slices.append(request.take(room - least_room if slices else room, now))
            num_taken = slices[-1].num_samples
            room -= num_taken
            self.counts.add(request.caller, -num_taken)
            self._requests.take(request, num_taken)
            if request.num_waiting:
                self._requests.add(request)
        return slices, expired

    def _take_alone(self, now: float) -> tuple[list[Slice[Payload, Result]], list[BatchRequest[Payload, Result]]]:
        expired = []
        while self._alone:
            one = self._alone.popleft()
            if one.request.deadline.instant <= now:
                self.remove(one.request)
                expired.append(one.request)
            else:
                return [one], expired
        return [], expired

    def check_integrity(self) -> None:
        """Raises AssertionError if the counts are not what the requests add up to."""
        waiting = [request.num_waiting for request in self._requests]
        assert all(count > 0 for count in waiting), f"a request with nothing left waits: {waiting}"  # noqa: S101
        places = [(id(one.request), one.start) for one in self._alone]
        assert len(set(places)) == len(places), "a slice is to run alone twice"  # noqa: S101
        assert sum(waiting) == self.num_samples, f"{waiting} do not add up to {self.num_samples}"  # noqa: S101
        assert 0 <= self.num_samples <= self.max_samples, f"{self.num_samples} of {self.max_samples}"  # noqa: S101
        by_caller: Counter[str] = Counter()
        for request in self._requests:
            by_caller[request.caller] += request.num_waiting
        assert dict(by_caller) == dict(self._num_of_caller), f"{by_caller}, but {self._num_of_caller}"  # noqa: S101
        most = max((count for caller, count in by_caller.items() if caller != NOBODY), default=0)
        most_allowed = (self.max_samples_of_caller + self.max_samples) // 2
        assert most <= most_allowed, f"{most} of {most_allowed}"  # noqa: S101
