"""One process's share of a load: sends what is due, waits for the answers, and can be stopped at any time.

Knows neither processes nor documents. An open loop deals its requests out in turns, so the share of each process is
even and the whole is exactly the schedule.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from bench.load.alarm import new_alarm
from bench.load.arrivals import intended_seconds
from bench.load.callers import Budget, presence
from bench.load.exchange import Exchange, Line
from bench.load.orders import Order, Orders
from bench.load.record import Fate, Record, Recorder, Use
from bench.load.scenario import ClosedLoop, OpenLoop, Scenario

HEARTBEAT_SECONDS = 0.02
# What an open loop has not sent this long after the last request was due, it drops.
MAX_BACKLOG_SECONDS = 1.0
# A caller of a closed loop that was refused does not ask again at once.
PAUSE_AFTER_ERROR_SECONDS = 0.1
GONE_SECONDS = 3.0
GONE_REQUESTS = 3
_FOREVER = 10.0**9
_OK, _UNAVAILABLE = grpc.StatusCode.OK.value[0], grpc.StatusCode.UNAVAILABLE.value[0]


class Driver:
    """`lines[connection][work]` are the ways to ask; this is process `number` of those that share the load.
    `is_real_time`: how it is scheduled, for the record.
    """

    def __init__(
        self, scenario: Scenario, lines: Sequence[Sequence[Line]], number: int = 0, is_real_time: bool = False
    ) -> None:
        self._scenario = scenario
        self._lines = lines
        self._number = number
        self._is_real_time = is_real_time
        self._orders = Orders(scenario)
        self._alarm = new_alarm()
        self._zero = 0.0
        self._open: set[Exchange] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._fault: BaseException | None = None
        self._answered_at = 0.0
        self._unavailable_in_a_row = 0
        self._num_sent = 0
        self.recorder = Recorder(len(scenario.works))
        self.stop_reason = ""
        self.stopped_at = float("inf")  # seconds from the end of the warm-up
        self._schedule = intended_seconds(scenario, scenario.load) if isinstance(scenario.load, OpenLoop) else None

    @property
    def num_outstanding(self) -> int:
        return len(self._open)

    @property
    def num_planned(self) -> int | None:
        """Requests of the whole load, all processes together, where that is known beforehand."""
        return self._scenario.num_requests if self._schedule is None else len(self._schedule)

    def stop(self, reason: str) -> None:
        """Break the run off: nothing more is sent, what is under way is cut off."""
        if not self._stopping.is_set():
            self.stop_reason, self.stopped_at = reason, self._now()
            self._stopping.set()
            self._alarm.ring()

    async def run(self, zero: float) -> Record:
        """Carry the load out; the warm-up ends at `zero` (time.monotonic). Raises a fault of the generator itself."""
        self._zero, self._answered_at = zero, time.monotonic()
        cpu, wall = time.process_time(), time.monotonic()
        async with self._heartbeat():
            if self._schedule is None:
                await self._closed_loop()
            else:
                await self._open_loop()
            use = Use(time.process_time() - cpu, time.monotonic() - wall, self._num_sent, self._is_real_time)
            await self._drain()
        self._alarm.close()
        if self._fault is not None:
            raise self._fault
        return self.recorder.record(use)

    def _now(self) -> float:
        return time.monotonic() - self._zero

    # Open loop.

    async def _open_loop(self) -> None:
        assert self._schedule is not None
        share = np.arange(self._number, len(self._schedule), self._scenario.num_processes)
        times = self._schedule[share]
        place = 0
        give_up_at = self._schedule[-1] + MAX_BACKLOG_SECONDS if len(times) else 0.0
        while place < len(times) and not self._stopping.is_set():
            await self._alarm.until(self._zero + times[place])
            if self._stopping.is_set() or self._now() > give_up_at:
                break
            if len(self._open) >= self._scenario.max_outstanding_per_process:
                due = int(np.searchsorted(times, self._now(), side="right"))
                self._count(self.recorder.num_dropped, share[place:due], times[place:due])
                place = due
                continue
            self._send(self._orders[int(share[place])], float(times[place]))
            place += 1
        due = max(place, int(np.searchsorted(times, self._now(), side="right")))
        self._count(self.recorder.num_dropped, share[place:due], times[place:due])
        self._count(self.recorder.num_abandoned, share[due:], times[due:])

    def _count(self, counts: list[int], numbers: NDArray[np.int64], times: NDArray[np.float64]) -> None:
        """Add the requests that belong to the measurement to counts by work."""
        works = self._orders.works(numbers[times >= 0.0])
        for work, count in enumerate(np.bincount(works, minlength=len(counts)).tolist()):
            counts[work] += count

    # Closed loop.

    async def _closed_loop(self) -> None:
        load = self._scenario.load
        assert isinstance(load, ClosedLoop)
        budget = Budget(self._scenario, self._number)
        callers = range(self._number, load.most, self._scenario.num_processes)
        tasks = [self._in_background(self._caller(budget, *presence(self._scenario, load, each))) for each in callers]
        await self._until_stopped(asyncio.wait(tasks), (self._scenario.duration_seconds or _FOREVER) - self._now())
        if self._stopping.is_set():
            rest = np.array(budget.rest())
            self._count(self.recorder.num_abandoned, rest, np.zeros(len(rest)))

    async def _caller(self, budget: Budget, comes_at: float, goes_at: float) -> None:
        await self._pause(comes_at - self._now())
        while not self._stopping.is_set() and (now := self._now()) < goes_at:
            number = budget.take(is_measured=now >= 0.0)
            if number is None:
                return
            exchange = self._begin(self._orders[number], now)
            if await self._finish(exchange) != _OK:
                await self._pause(PAUSE_AFTER_ERROR_SECONDS)

    async def _pause(self, seconds: float) -> None:
        if seconds > 0.0:
            await self._until_stopped(asyncio.sleep(seconds))

    async def _until_stopped(self, something: Coroutine[Any, Any, Any], timeout: float | None = None) -> None:
        """Wait for something, for a stop, or for a time, whichever comes first."""
        waits = [asyncio.create_task(each) for each in (something, self._stopping.wait())]
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    # One request.

    def _send(self, order: Order, intended: float) -> None:
        """Begin a request and see to its end in the background."""
        self._in_background(self._finish(self._begin(order, intended)))

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except Exception as error:  # a fault of the generator; `run` raises it
            self._fault = error
            self.stop(f"the generator failed: {error!r}")

    def _begin(self, order: Order, intended: float) -> Exchange:
        self._num_sent += 1
        line = self._lines[self._num_sent % len(self._lines)][order.work]
        exchange = Exchange(line, order, intended, self._zero)
        self._open.add(exchange)
        self._idle.clear()
        self.recorder.max_outstanding = max(self.recorder.max_outstanding, len(self._open))
        return exchange

    async def _finish(self, exchange: Exchange) -> int:
        try:
            code = await exchange.run(self.recorder)
        finally:
            self._open.discard(exchange)
            if not self._open:
                self._idle.set()
        self._watch_for_a_server_that_is_gone(code)
        return code

    def _watch_for_a_server_that_is_gone(self, code: int) -> None:
        if code != _UNAVAILABLE:
            self._answered_at, self._unavailable_in_a_row = time.monotonic(), 0
            return
        self._unavailable_in_a_row += 1
        silence = time.monotonic() - self._answered_at
        if self._unavailable_in_a_row >= GONE_REQUESTS and silence >= GONE_SECONDS:
            self.stop(f"the server is gone: for {silence:.1f} s no answer but UNAVAILABLE")

    async def _drain(self) -> None:
        """Wait for what is under way as long as the scenario allows; cut off the rest."""
        if self._open:
            await self._until_stopped(self._idle.wait(), self._scenario.drain_seconds)
        for exchange in self._open:
            exchange.end(Fate.UNFINISHED)
        await asyncio.gather(*self._tasks)

    @contextlib.asynccontextmanager
    async def _heartbeat(self) -> AsyncIterator[None]:
        beat = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beat

    async def _beat(self) -> None:
        alarm = new_alarm()
        try:
            while True:
                due = time.monotonic() + HEARTBEAT_SECONDS
                await alarm.until(due)
                self.recorder.lag(time.monotonic() - due)
        finally:
            alarm.close()
