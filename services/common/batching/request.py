"""A request inside the batcher: what is left of it to take, what came back, and when.

Knows nothing of queues, threads or models.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Generic, TypeVar

from runtime.deadlines import Deadline

Payload = TypeVar("Payload")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Pass:
    """One run of the model that some samples of a request were part of; times are monotonic seconds."""

    started_at: float
    ended_at: float
    num_samples: int
    batch_size: int


@dataclass(frozen=True, slots=True)
class Batched(Generic[Result]):
    """What became of a request: the results of its passes in the order of its samples, and the times."""

    results: list[Result]
    accepted_at: float
    taken_at: float
    passes: list[Pass]


class BatchRequest(Generic[Payload, Result]):
    """`num_samples` samples that may ride in different batches; `future` ends exactly once.

    `caller` is whose they are: callers take turns when requests wait.
    """

    def __init__(
        self,
        payload: Payload,
        num_samples: int,
        deadline: Deadline,
        accepted_at: float,
        future: asyncio.Future[Batched[Result]],
        caller: str = "",
    ) -> None:
        self.payload = payload
        self.num_samples = num_samples
        self.deadline = deadline
        self.accepted_at = accepted_at
        self.future = future
        self.caller = caller
        self.taken_at = 0.0
        self.num_taken = 0
        self._num_done = 0
        self._done: list[tuple[int, Result, Pass]] = []

    @property
    def num_waiting(self) -> int:
        return self.num_samples - self.num_taken

    @property
    def is_complete(self) -> bool:
        return self._num_done == self.num_samples

    def take(self, max_samples: int, now: float) -> Slice[Payload, Result]:
        """Return the next samples, at most `max_samples` of them."""
        if not self.num_taken:
            self.taken_at = now
        start = self.num_taken
        self.num_taken = min(self.num_samples, start + max_samples)
        return Slice(self, start, self.num_taken)

    def add(self, start: int, result: Result, one: Pass) -> None:
        """Enter the result of the slice that began at `start`."""
        self._done.append((start, result, one))
        self._num_done += one.num_samples

    def batched(self) -> Batched[Result]:
        if len(self._done) > 1:
            self._done.sort(key=lambda done: done[0])
        passes = [one for _, _, one in self._done]
        passes.sort(key=lambda one: one.ended_at)
        return Batched([result for _, result, _ in self._done], self.accepted_at, self.taken_at, passes)


@dataclass(frozen=True, slots=True)
class Slice(Generic[Payload, Result]):
    """Samples start to stop - 1 of a request."""

    request: BatchRequest[Payload, Result]
    start: int
    stop: int

    @property
    def payload(self) -> Payload:
        return self.request.payload

    @property
    def num_samples(self) -> int:
        return self.stop - self.start
