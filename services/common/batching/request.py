"""A request inside the batcher: what is left of it to take, what came back, and when; and who counts its end.

Knows nothing of queues, threads or models.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar, get_args

from runtime.deadlines import Deadline
from tandem.shared.errors import TandemError

Payload = TypeVar("Payload")
Result = TypeVar("Result")


End = Literal["finished", "cancelled", "failed"]
ENDS: tuple[End, ...] = get_args(End)


class BatchObserver(Protocol):
    """Told, on the event loop, of each pass and of each request's one end."""

    def passed(self, batch_size: int, seconds: float) -> None: ...

    def ended(self, outcome: End, num_samples: int) -> None: ...


class Pass(NamedTuple):
    """One run of the model that some samples of a request were part of; times are monotonic seconds."""

    started_at: float
    ended_at: float
    num_samples: int
    batch_size: int


@dataclass(slots=True)
class Batched(Generic[Result]):
    """What became of a request: the results of its passes in the order of its samples, and the times."""

    results: list[Result]
    accepted_at: float
    taken_at: float
    passes: list[Pass]


@dataclass(eq=False)
class BatchRequest(Generic[Payload, Result]):
    """`num_samples` samples that may ride in different batches.

    `caller` is whose they are: callers take turns when requests wait. `on_end` is called once, with the error that the
    request ends with or None; it must not raise, and returns whether the caller is still there.
    """

    payload: Payload
    num_samples: int
    deadline: Deadline
    accepted_at: float
    on_end: Callable[[BatchRequest[Payload, Result], TandemError | None], bool]
    caller: str = ""
    taken_at: float = field(default=0.0, init=False)
    num_taken: int = field(default=0, init=False)
    _num_done: int = field(default=0, init=False)
    _done: list[tuple[int, Result, Pass]] = field(default_factory=list, init=False)

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
        """Return what became of a complete request."""
        if len(self._done) == 1:
            ((_, result, one),) = self._done
            return Batched([result], self.accepted_at, self.taken_at, [one])
        self._done.sort(key=lambda done: done[0])
        passes = sorted((one for _, _, one in self._done), key=lambda one: one.ended_at)
        return Batched([result for _, result, _ in self._done], self.accepted_at, self.taken_at, passes)


class Slice(Generic[Payload, Result]):
    """Samples start to stop - 1 of a request."""

    __slots__ = ("num_samples", "payload", "request", "start", "stop")

    def __init__(self, request: BatchRequest[Payload, Result], start: int, stop: int) -> None:
        self.request = request
        self.payload = request.payload
        self.start = start
        self.stop = stop
        self.num_samples = stop - start


def settle(
    future: asyncio.Future[Batched[Result]], request: BatchRequest[Any, Result], error: TandemError | None
) -> bool:
    """Let a future end as its request does: what `BatchRequest.on_end` is to do for a caller that waits for it."""
    if future.done():
        return not future.cancelled()
    if error is None:
        future.set_result(request.batched())
    else:
        future.set_exception(error)
        future.exception()  # its caller may have gone in the same moment
    return True
