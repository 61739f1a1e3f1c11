"""Batching while busy: requests that arrive while every instance of a model is busy make up the next batches.

A single request runs at once, and requests that arrive while all instances are busy form the next batch. Batches are
not delayed unless `max_batch_delay_seconds` is set, or passes are long and the callers just answered may come back. The
event loop owns queue and requests; the instances run in threads and see only slices. Knows nothing of images or models.

submit -> queue -> dispatch (as soon as an instance is idle) -> instance's thread -> commit -> dispatch -> ...
                                                                     raised -> each slice again, alone
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic

from runtime.deadlines import Deadline
from services.common.batching.admission import BatchAdmission, BatchLimits
from services.common.batching.instance_thread import InstanceThread, Outcome, Run
from services.common.batching.pass_times import BatchDelay
from services.common.batching.queue import BatchQueue
from services.common.batching.request import (
    Batched,
    BatchObserver,
    BatchRequest,
    End,
    Pass,
    Payload,
    Result,
    Slice,
    settle,
)
from services.common.waiting_line import WaitingLine
from tandem.shared.errors import DeadlineExceeded, Internal, ResourceExhausted, TandemError, Unavailable

logger = logging.getLogger(__name__)

# The books are compared while nothing is open, which takes as long as accepting a request.
_CHECK_EVERY_SECONDS = 1.0


class Batcher(Generic[Payload, Result]):
    """Runs requests through one callable an instance, each in a thread of its own.

    A callable gets the slices of a batch and returns one result a slice; for a slice that failed, an exception. If it
    raises, each slice of the batch runs once more, alone, and only the requests whose slices raise again fail: one by
    one and not by halves, because then no fault costs more than one extra pass a request. A TandemError reaches the
    caller as it is, any other exception as Internal. If the batcher itself fails, every open request does, and
    `wait_dead` says why.
    """

    def __init__(
        self,
        name: str,
        runs: Sequence[Run[Payload, Result]],
        limits: BatchLimits,
        observer: BatchObserver | None = None,
        num_spare: int = 0,
    ) -> None:
        """Of the instances, `num_spare` are there to have the next batch ready while the others compute.

        They take full batches alone, as others may still join one that is not.
        """
        self._name = name
        go_on = partial(self._guarded, self._go_on)
        self._instances = [InstanceThread(f"{name} {number}", run, go_on) for number, run in enumerate(runs)]
        self._limits = limits
        self._observer = observer
        self._queue: BatchQueue[Payload, Result] = BatchQueue(limits.max_queued, limits.max_queued_of_caller)
        self._num_spare = num_spare
        self._line = WaitingLine(self._queue.counts)
        self._admission = BatchAdmission(name, limits, self._queue, self._line, len(runs) - num_spare)
        self._delay = BatchDelay(limits, len(runs) - num_spare, self._admission.single_seconds)
        self._open: set[BatchRequest[Payload, Result]] = set()
        self._idle: list[InstanceThread[Payload, Result]] = []
        self._dispatch_is_due = False
        self._delay_timer: asyncio.TimerHandle | None = None  # set while a batch waits for its delay
        self._moved_at = 0.0
        self._checked_at = -math.inf
        self._died: asyncio.Future[BaseException] | None = None
        self._is_closed = True

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()  # kept, as to ask for it costs a system call
        self._died = self._loop.create_future()
        for instance in self._instances:
            instance.start()
        self._idle = list(self._instances)
        self._is_closed = False

    async def stop(self) -> None:
        """Fail what is still open and wait for the passes in hand."""
        self._close(Unavailable("the server is stopping"))
        for instance in self._instances:
            await instance.stop()

    async def wait_dead(self) -> BaseException:
        """Return what broke the batcher; by then every open request has failed."""
        assert self._died is not None, "not started"  # noqa: S101
        return await asyncio.shield(self._died)

    def last_progress(self) -> float | None:
        """Return when something last moved (monotonic seconds), or None while nothing is open."""
        return self._moved_at if self._open else None

    @property
    def num_queued(self) -> int:
        return self._queue.num_samples

    @property
    def num_open(self) -> int:
        return len(self._open)

    async def submit(
        self, payload: Payload, num_samples: int, deadline: Deadline, caller: str = "", *, is_begun: bool = False
    ) -> Batched[Result]:
        """Run one request. Raises ResourceExhausted at once if it does not fit the queue, or would begin too late.

        `caller` is whose turn it takes. With `is_begun`, as for the rest of a call that has had results, time is no
        matter. A caller that is cancelled takes what is left of its request out of the queue.
        """
        future: asyncio.Future[Batched[Result]] = asyncio.get_running_loop().create_future()
        request = self.begin(payload, num_samples, deadline, partial(settle, future), caller, is_begun=is_begun)
        try:
            return await future
        finally:
            self.abandon(request)
            # The traceback of an error that the future holds has this frame: a cycle, with the request's payload.
            del future, request

    def begin(
        self,
        payload: Payload,
        num_samples: int,
        deadline: Deadline,
        on_end: Callable[[BatchRequest[Payload, Result], TandemError | None], bool],
        caller: str = "",
        *,
        is_begun: bool = False,
    ) -> BatchRequest[Payload, Result]:
        """Accept one request; when it ends, `on_end` is called (see `BatchRequest`). Raises what `submit` raises."""
        if self._is_closed:
            raise Unavailable(f"{self._name} does not run")
        try:
            self._admission.check(caller, num_samples, deadline, is_begun)
        except ResourceExhausted:
            if not self._dispatch_is_due:
                raise
            self._dispatch()  # now: what idle instances take makes room
            self._admission.check(caller, num_samples, deadline, is_begun)
        if not (is_begun or self._line.is_empty):
            self._line.passed(caller, num_samples)
        now = time.monotonic()
        if not self._open:
            self._moved_at = now
        request = BatchRequest(payload, num_samples, deadline, now, on_end, caller)
        self._open.add(request)
        self._queue.add(request)
        self._dispatch_soon()
        return request

    def abandon(self, request: BatchRequest[Payload, Result]) -> None:
        """Take what is left of a request out of the queue, as its caller has gone; no effect if it has ended."""
        if request in self._open:
            self._close_books(request, "cancelled")

    async def wait_for_room(self, num_samples: int, caller: str = "") -> None:
        """Return when `num_samples` more of a call that has begun fit the queue: see `WaitingLine.wait`."""
        await self._line.wait(caller, num_samples)

    def check_integrity(self) -> None:
        """Raises AssertionError if queue and open requests disagree."""
        self._queue.check_integrity()
        assert all(one.request in self._open for one in self._queue.alone), "a closed request runs again"  # noqa: S101
        waiting = sum(request.num_waiting for request in self._open)
        assert waiting == self._queue.num_samples, f"{waiting} wait, {self._queue.num_samples} queued"  # noqa: S101

    def _dispatch_soon(self) -> None:
        """Dispatch when the event loop has gone round, so that requests that arrive together ride together."""
        if self._idle and not self._dispatch_is_due:
            self._dispatch_is_due = True
            self._loop.call_soon(self._guarded, self._dispatch)

    def _end(self, request: BatchRequest[Payload, Result], outcome: End, error: TandemError | None = None) -> None:
        """End a request and tell its caller; the first end counts."""
        if request in self._open:
            is_heard = request.on_end(request, error)
            self._close_books(request, outcome if is_heard else "cancelled")

    def _close_books(self, request: BatchRequest[Payload, Result], outcome: End) -> None:
        self._open.remove(request)
        self._queue.remove(request)
        self._line.look()
        if self._observer is not None:
            self._observer.ended(outcome, request.num_samples)

    def _guarded(self, step: Callable[..., None], *arguments: object) -> None:
        """Run a step of the batcher itself; no caller may wait for ever because it failed."""
        if self._is_closed:
            return
        try:
            step(*arguments)
        except Exception as error:
            self._die(error)

    def _dispatch(self) -> None:
        """Give every idle instance a batch, while there is something to batch."""
        self._dispatch_is_due = False
        while self._idle and self._has_batch():
            slices = self._take()
            if slices:
                instance = self._idle.pop()
                self._admission.gave(instance, sum(one.num_samples for one in slices))
                instance.give(slices)

    def _has_batch(self) -> bool:
        if self._queue.alone:
            return True
        least_samples = self._limits.full_batch_size if len(self._idle) <= self._num_spare else 1
        return self._queue.num_samples >= least_samples and not self._is_delayed()

    def _is_delayed(self) -> bool:
        """Return whether what waits is still to wait for further requests; a timer then looks again."""
        seconds = self._delay.wait_seconds(self._queue.num_samples, lambda: self._queue.oldest_at, time.monotonic())
        if seconds > 0:
            if self._delay_timer is not None:
                self._delay_timer.cancel()
            self._delay_timer = self._loop.call_later(seconds, self._guarded, self._dispatch)
        return seconds > 0

    def _take(self) -> list[Slice[Payload, Result]]:
        """Return the next batch; idle instances share what there is."""
        share = -(-self._queue.num_samples // max(1, len(self._idle) - self._num_spare))
        size = min(self._limits.max_batch_size, share)
        full = min(size, self._limits.full_batch_size)
        slices, expired = self._queue.take(size, time.monotonic(), self._admission.pass_seconds(full), full)
        for request in expired:
            self._end(request, "cancelled", DeadlineExceeded("before the work could be done"))
        self._line.look()
        return slices

    def _go_on(self, instance: InstanceThread[Payload, Result], outcome: Outcome[Payload, Result]) -> None:
        self._moved_at = time.monotonic()
        slices, results = outcome.slices, outcome.results
        if isinstance(results, BaseException) and not isinstance(results, Exception):
            raise RuntimeError("an instance was told to end") from results
        if isinstance(results, Exception):
            self._take_apart(slices, results)
        self._admission.ended(instance, is_ok=not isinstance(results, BaseException))
        self._idle.append(instance)
        num_others = self._admission.num_in_hand + self._queue.num_samples
        self._delay.answered(len(slices), sum(one.num_samples for one in slices), num_others, self._moved_at)
        self._dispatch()  # first, so that the instance is not idle while results are handed out
        if not isinstance(results, BaseException):
            self._commit(outcome, results)
        if not self._open and self._moved_at >= self._checked_at + _CHECK_EVERY_SECONDS:
            self._checked_at = self._moved_at
            self.check_integrity()

    def _take_apart(self, slices: list[Slice[Payload, Result]], error: Exception) -> None:
        """Let each slice of a batch that failed run once more, alone; one that was alone ends its request."""
        if len(slices) == 1:
            self._fail(slices[0].request, error)
            return
        logger.warning("%s: a batch of %d requests failed; each runs again", self._name, len(slices), exc_info=error)
        self._queue.add_alone(one for one in slices if one.request in self._open)

    def _fail(self, request: BatchRequest[Payload, Result], error: Exception) -> None:
        logger.error("%s: a request failed", self._name, exc_info=error)
        # What is raised has the frames of its pass in its traceback, with the payloads; it has been logged.
        self._end(request, "failed", error.with_traceback(None) if isinstance(error, TandemError) else Internal())

    def _commit(self, outcome: Outcome[Payload, Result], results: Sequence[Result | Exception]) -> None:
        batch_size = sum(one.num_samples for one in outcome.slices)
        for one, result in zip(outcome.slices, results, strict=True):
            if isinstance(result, Exception):
                self._fail(one.request, result)
                continue
            one.request.add(one.start, result, Pass(outcome.started_at, outcome.ended_at, one.num_samples, batch_size))
            if one.request.is_complete:
                self._end(one.request, "finished")
        if self._observer is not None:
            self._observer.passed(batch_size, outcome.ended_at - outcome.started_at)

    def _die(self, error: Exception) -> None:
        logger.critical("%s: the batcher's loop died", self._name, exc_info=error)
        self._close(Internal())
        if self._died is not None and not self._died.done():
            self._died.set_result(error)

    def _close(self, error: TandemError) -> None:
        self._is_closed = True
        for request in list(self._open):
            self._end(request, "failed", error)
        self._line.close()
