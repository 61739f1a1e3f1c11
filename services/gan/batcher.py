"""Batching while busy: requests that arrive while every instance of a model is busy make up the next batches.

No batch waits for company unless told to, so a lone request goes at once and a crowd is batched by itself. The event
loop owns queue and requests; the instances run in threads and see only slices. Knows nothing of images or models.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Literal, Protocol

from runtime.deadlines import Deadline
from runtime.errors import DeadlineExceeded, Internal, ResourceExhausted, TandemError, Unavailable
from services.gan.batch_queue import BatchQueue
from services.gan.batch_request import Batched, BatchRequest, Pass, Payload, Result, Slice

logger = logging.getLogger(__name__)

MIN_RETRY_SECONDS = 0.01
# A pass costs something of its own: less than this is not worth another one.
MIN_SHARE = 8

Run = Callable[[Sequence[Slice[Payload, Result]]], Sequence[Result]]
End = Literal["finished", "cancelled", "failed"]


class BatchObserver(Protocol):
    """Told, on the event loop, of each pass and of each request's one end."""

    def passed(self, batch_size: int) -> None: ...

    def ended(self, outcome: End, num_samples: int) -> None: ...


@dataclass(frozen=True)
class BatchLimits:
    """How much goes together and how much may wait, in samples."""

    max_batch_size: int
    max_queued: int
    max_batch_delay_seconds: float = 0.0


class Batcher(Generic[Payload, Result]):
    """Runs requests through one callable an instance, each in a thread of its own.

    A callable gets the slices of a batch and returns one result a slice. If it raises, just the requests of that batch
    fail. If the batcher itself fails, every open request does, and `wait_dead` tells.
    """

    def __init__(
        self, name: str, runs: Sequence[Run[Payload, Result]], limits: BatchLimits, observer: BatchObserver
    ) -> None:
        self._name = name
        self._runs = tuple(runs)
        self._limits = limits
        self._observer = observer
        self._queue: BatchQueue[Payload, Result] = BatchQueue(limits.max_queued)
        self._open: set[BatchRequest[Payload, Result]] = set()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._full = asyncio.Event()
        self._num_idle = 0
        self._sample_seconds = 0.001  # of the whole batcher, by what recent passes took
        self._moved_at = 0.0
        self._executor = ThreadPoolExecutor(len(self._runs), thread_name_prefix=name)
        self._workers: list[asyncio.Task[None]] = []
        self._died: asyncio.Future[BaseException] | None = None
        self._is_closed = True

    def start(self) -> None:
        self._died = asyncio.get_running_loop().create_future()
        self._is_closed = False
        for run in self._runs:
            worker = asyncio.create_task(self._work(run), name=f"{self._name} instance")
            worker.add_done_callback(self._on_worker_end)
            self._workers.append(worker)

    async def stop(self) -> None:
        """Fail what is still open and wait for the passes in hand."""
        self._close(Unavailable("the server is stopping"))
        await asyncio.gather(*self._workers, return_exceptions=True)
        await asyncio.to_thread(self._executor.shutdown)

    async def wait_dead(self) -> BaseException:
        """Return what ended an instance's loop; by then every open request has failed."""
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

    async def submit(self, payload: Payload, num_samples: int, deadline: Deadline) -> Batched[Result]:
        """Run one request. Raises ResourceExhausted at once if it does not fit the queue.

        A caller that is cancelled takes what is left of its request out of the queue.
        """
        request = self._accept(payload, num_samples, deadline)
        try:
            return await request.future
        finally:
            self._end(request, "cancelled")

    async def wait_for_room(self, num_samples: int) -> None:
        """Return when `num_samples` more would fit the queue just now; nothing is reserved."""
        while not (self._is_closed or self._queue.has_room(num_samples)):
            self._room.clear()
            await self._room.wait()

    def check_integrity(self) -> None:
        """Raises AssertionError if queue and open requests disagree."""
        self._queue.check_integrity()
        waiting = sum(request.num_waiting for request in self._open)
        assert waiting == self._queue.num_samples, f"{waiting} wait, {self._queue.num_samples} queued"  # noqa: S101

    def _accept(self, payload: Payload, num_samples: int, deadline: Deadline) -> BatchRequest[Payload, Result]:
        if self._is_closed:
            raise Unavailable(f"{self._name} does not run")
        if not self._queue.has_room(num_samples):
            delay = max(MIN_RETRY_SECONDS, round(self._queue.num_samples * self._sample_seconds, 3))
            raise ResourceExhausted(f"the queue of {self._name}", self._limits.max_queued, delay)
        now = time.monotonic()
        if not self._open:
            self._moved_at = now
        request = BatchRequest(payload, num_samples, deadline, now, asyncio.get_running_loop().create_future())
        self._open.add(request)
        self._queue.add(request)
        self._arrived.set()
        if self._queue.num_samples >= self._limits.max_batch_size:
            self._full.set()
        return request

    def _end(self, request: BatchRequest[Payload, Result], outcome: End, error: TandemError | None = None) -> None:
        """The only way out for a request: the first call counts."""
        if request not in self._open:
            return
        self._open.remove(request)
        self._queue.remove(request)
        self._room.set()
        if not request.future.done():
            if error is None:
                request.future.set_result(request.batched())
            else:
                request.future.set_exception(error)
                request.future.exception()  # its caller may have gone in the same moment
        elif request.future.cancelled():
            outcome = "cancelled"
        self._observer.ended(outcome, request.num_samples)

    async def _work(self, run: Run[Payload, Result]) -> None:
        while True:
            self._num_idle += 1
            await self._wait_for_work()
            slices = self._take()
            self._num_idle -= 1
            if slices:
                await self._pass(run, slices)

    async def _wait_for_work(self) -> None:
        while not self._queue.num_samples:
            if not self._open:
                self.check_integrity()
            self._arrived.clear()
            await self._arrived.wait()
        if self._limits.max_batch_delay_seconds and self._queue.num_samples < self._limits.max_batch_size:
            await self._wait_for_company()

    async def _wait_for_company(self) -> None:
        self._full.clear()
        try:
            async with asyncio.timeout(self._limits.max_batch_delay_seconds):
                await self._full.wait()
        except TimeoutError:
            return

    def _take(self) -> list[Slice[Payload, Result]]:
        """Return the next batch; idle instances share what there is."""
        share = max(MIN_SHARE, -(-self._queue.num_samples // self._num_idle))
        taken = self._queue.take(min(self._limits.max_batch_size, share), time.monotonic())
        for request in taken.expired:
            self._end(request, "cancelled", DeadlineExceeded("in the queue"))
        self._room.set()
        return taken.slices

    async def _pass(self, run: Run[Payload, Result], slices: list[Slice[Payload, Result]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            started, ended, results = await loop.run_in_executor(self._executor, _timed, run, slices)
        except Exception as error:
            logger.error("%s: a batch failed", self._name, exc_info=error)
            for one in slices:
                self._end(one.request, "failed", Internal())
            return
        finally:
            self._moved_at = time.monotonic()
        self._commit(slices, results, started, ended)

    def _commit(
        self, slices: list[Slice[Payload, Result]], results: Sequence[Result], started: float, ended: float
    ) -> None:
        batch_size = sum(one.num_samples for one in slices)
        seconds = (ended - started) / batch_size / len(self._runs)
        self._sample_seconds += 0.1 * (seconds - self._sample_seconds)
        for one, result in zip(slices, results, strict=True):
            one.request.add(one.start, result, Pass(started, ended, one.num_samples, batch_size))
            if one.request.is_complete:
                self._end(one.request, "finished")
        self._observer.passed(batch_size)

    def _on_worker_end(self, worker: asyncio.Task[None]) -> None:
        if worker.cancelled():
            return
        error = worker.exception() or RuntimeError("an instance's loop returned")
        logger.critical("%s: an instance's loop died", self._name, exc_info=error)
        self._close(Internal())
        if self._died is not None and not self._died.done():
            self._died.set_result(error)

    def _close(self, error: TandemError) -> None:
        self._is_closed = True
        for worker in self._workers:
            worker.cancel()
        for request in list(self._open):
            self._end(request, "failed", error)
        self._room.set()


def _timed(
    run: Run[Payload, Result], slices: Sequence[Slice[Payload, Result]]
) -> tuple[float, float, Sequence[Result]]:
    """Run one batch in its thread. Returns (start, end, one result a slice); raises what the model raises."""
    started = time.monotonic()
    results = run(slices)
    if len(results) != len(slices):
        raise ValueError(f"{len(results)} results for {len(slices)} slices")
    return started, time.monotonic(), results
