"""The sender in Python: for HTTP, for TLS, and for machines that cannot compile the other one.

It costs ten times as much, and its times hold the event loop's own delays; the audit tells of both.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tandem.measure.generator.priority import go_first, is_first, wait_like_all
from tandem.measure.generator.schedule.alarm import new_alarm
from tandem.measure.generator.sending.python_call import Calls, Order, PythonCall
from tandem.measure.generator.sending.sender import Load, Phase, Progress, Route, Sender
from tandem.measure.generator.sending.statuses import DEADLINE_EXCEEDED, OK, UNAVAILABLE
from tandem.measure.generator.sending.tables import MESSAGE, ROW, End, Seen, Table

_BEAT_SECONDS = 0.02
_PREFIX_BYTES = 5


class PythonSender(Sender):
    """Make it, and use it, in one running event loop."""

    is_compiled = False

    def __init__(self, address: str, make_calls: Callable[[], Calls]) -> None:
        self._was_first = is_first()
        self.is_real_time = go_first()  # before any connection starts a thread
        self._address = address
        self._server = make_calls()
        self._clear()

    def _clear(self) -> None:
        self._routes: Sequence[Route] = ()
        self._load = Load(0.0, 0.0, 0.0, True)
        self._queue: deque[tuple[Any, bytes]] = deque()
        self._has_all = False
        self._fed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._open: set[PythonCall] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._alarm = new_alarm()
        self._calls: list[PythonCall] = []  # that have ended
        self._lags: list[float] = []
        self._dropped: list[int] = []
        self._counts = Progress()
        self._fault: BaseException | None = None

    async def connect(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._server.connect()
        except TimeoutError:
            raise ConnectionError(f"no connection to {self._address} within {seconds:g} s") from None
        except OSError as error:
            raise ConnectionError(f"no connection to {self._address}: {error}") from None

    async def close(self) -> None:
        await self._server.close()
        self._alarm.close()
        if not self._was_first:
            wait_like_all()

    def reset(self) -> None:
        self._alarm.close()
        self._clear()

    def begin(self, routes: Sequence[Route], load: Load) -> None:
        self._routes, self._load = routes, load
        self._dropped = [0] * len(routes)
        self._counts.phase, self._counts.answered_at = Phase.LOADING, self._now()
        self._in_background(self._run())

    def feed(self, specs: Table, messages: bytes) -> None:
        view = memoryview(messages)
        for spec in specs:
            begin, end = int(spec["begin"]) + _PREFIX_BYTES, int(spec["begin"] + spec["size"])
            self._queue.append((spec, bytes(view[begin:end])))
        self._wake()

    def feed_no_more(self) -> None:
        self._has_all = True
        self._wake()

    def progress(self) -> Progress:
        if self._fault is not None:
            raise self._fault
        return replace(self._counts, outstanding=len(self._open))

    def stop(self) -> None:
        self._stopping.set()
        self._wake()

    def _wake(self) -> None:
        self._fed.set()
        self._alarm.ring()

    def _now(self) -> float:
        return time.monotonic() - self._load.zero

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # a fault of the generator; `progress` raises it
            self._fault = error
            self.stop()

    async def _run(self) -> None:
        cpu, wall = time.process_time(), time.monotonic()
        beat = asyncio.create_task(self._beat())
        await (self._open_loop() if self._load.is_open else self._closed_loop())
        counts = self._counts
        counts.cpu_seconds, counts.wall_seconds = time.process_time() - cpu, time.monotonic() - wall
        counts.load_ended_at, counts.phase = self._now(), Phase.DRAINING
        await self._drain()
        beat.cancel()
        counts.phase = Phase.DONE

    async def _beat(self) -> None:
        with contextlib.closing(new_alarm()) as alarm:
            while True:
                due = time.monotonic() + _BEAT_SECONDS
                await alarm.until(due)
                self._lags.append(time.monotonic() - due)

    async def _open_loop(self) -> None:
        load = self._load
        while not self._stopping.is_set() and (self._queue or not self._has_all):
            if not self._queue:
                self._fed.clear()
                await self._fed.wait()
                continue
            intended = float(self._queue[0][0]["intended"])
            if intended > self._now():
                await self._alarm.until(load.zero + intended)
                continue
            if self._now() > load.ends_at:
                return
            spec, message = self._take()
            if len(self._open) < load.max_outstanding:
                self._in_background(self._finish(self._begin_call(spec, message, intended)))
            elif intended >= 0.0:
                self._dropped[spec["route"]] += 1
                self._counts.dropped += 1
            await asyncio.sleep(0)

    def _take(self) -> tuple[Any, bytes]:
        self._counts.num_taken += 1
        return self._queue.popleft()

    async def _closed_loop(self) -> None:
        tasks = [self._in_background(self._caller(*presence)) for presence in self._load.callers]
        await self._until_stopped(asyncio.wait(tasks), self._load.ends_at - self._now())

    async def _caller(self, comes_at: float, goes_at: float) -> None:
        await self._pause(comes_at - self._now())
        while not self._stopping.is_set() and self._now() < goes_at:
            if self._now() >= 0.0:
                if self._counts.num_measured == self._load.budget:
                    return
                self._counts.num_measured += 1
            while not self._queue:
                if self._has_all or self._stopping.is_set():
                    return
                self._fed.clear()
                await self._fed.wait()
            call = self._begin_call(*self._take(), self._now())
            await self._finish(call)
            if call.code != OK:
                await self._pause(self._load.pause_seconds)

    async def _pause(self, seconds: float) -> None:
        until = self._now() + seconds
        # Timers of uvloop count milliseconds and may be early, which would make the first request one of the warm-up.
        while (left := until - self._now()) > 0.0 and not self._stopping.is_set():
            await self._until_stopped(asyncio.sleep(left))

    async def _until_stopped(self, something: Coroutine[Any, Any, Any], timeout: float | None = None) -> None:
        """Wait for something, for a stop, or for a time, whichever comes first."""
        waits = [asyncio.create_task(wait) for wait in (something, self._stopping.wait())]
        timeout = None if timeout is None or math.isinf(timeout) else timeout
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _begin_call(self, spec: Any, message: bytes, intended: float) -> PythonCall:
        self._counts.num_sent += 1
        call = self._server.begin(Order(self._routes[spec["route"]], spec, message, intended, self._load.zero))
        self._open.add(call)
        self._counts.max_outstanding = max(self._counts.max_outstanding, len(self._open))
        return call

    async def _finish(self, call: PythonCall) -> None:
        try:
            await call.run()
        finally:
            self._open.discard(call)
        self._calls.append(call)
        self._count(call)

    def _count(self, call: PythonCall) -> None:
        counts, own = self._counts, {End.CANCELLED: "cancelled", End.CUT_OFF: "unfinished"}
        by_code = {OK: "ok", DEADLINE_EXCEEDED: "deadline"}.get(call.code, "error")
        name = own.get(call.end, by_code)
        setattr(counts, name, getattr(counts, name) + 1)
        if call.code == UNAVAILABLE:
            counts.unavailable_in_a_row += 1
        else:
            counts.unavailable_in_a_row, counts.answered_at = 0, self._now()

    async def _drain(self) -> None:
        """Wait for what is under way as long as the load allows; cut off the rest."""
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        if self._open:
            await self._until_stopped(asyncio.wait(others), self._load.drain_seconds)
        for call in self._open:
            call.cancel(End.CUT_OFF)
        await asyncio.gather(*others)

    def collect(self) -> Seen:
        texts = list(dict.fromkeys(call.text for call in self._calls if call.code != OK))
        places = {text: place for place, text in enumerate(texts)}
        messages = [(call.number, at, raw) for call in self._calls for at, raw in call.messages]
        return Seen(
            rows=np.array([(*call.row(), places.get(call.text, -1)) for call in self._calls], ROW),
            messages=np.array([(number, at, len(raw)) for number, at, raw in messages], MESSAGE),
            message_bytes=np.frombuffer(b"".join(raw for *_, raw in messages), np.uint8),
            lags=np.array(self._lags, np.float64),
            dropped=np.array(self._dropped, np.int64),
            texts=tuple(texts),
        )
