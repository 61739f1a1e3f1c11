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
from typing import Any

import numpy as np

from tandem.measure.generator.priority import go_first, is_first, wait_like_all
from tandem.measure.generator.schedule.alarm import Alarm
from tandem.measure.generator.sending.python_call import Calls, Order, PythonCall
from tandem.measure.generator.sending.sender import Load, Phase, Progress, Route, Sender
from tandem.measure.generator.sending.statuses import DEADLINE_EXCEEDED, OK, UNAVAILABLE
from tandem.measure.generator.sending.tables import MESSAGE, ROW, End, Seen, Table

_BEAT_SECONDS = 0.02
_PREFIX_BYTES = 5
# So much before it is due a request is made ready, as a core that slept needs 50 us, and Python as much again.
_AHEAD_SECONDS = 200e-6


class PythonSender(Sender):
    """Make it, and use it, in one running event loop."""

    is_compiled = False

    def __init__(self, address: str, make_calls: Callable[[], Calls]) -> None:
        self._was_first = is_first()
        self._is_real_time = go_first()  # before any connection starts a thread
        self._address = address
        self._server = make_calls()
        self._clear()

    def _clear(self) -> None:
        self._routes: Sequence[Route] = ()
        self._load = Load(0.0, 0.0, 0.0, True)
        self._queue: deque[tuple[Any, bytes]] = deque()
        self._has_all = False
        self._num_aside = 0  # requests taken that wait for others to end
        self._fed, self._stopping = asyncio.Event(), asyncio.Event()
        self._open: dict[asyncio.Task[None], PythonCall] = {}
        self._calls: list[PythonCall] = []  # that have ended
        self._lags: list[float] = []
        self._dropped: list[int] = []
        self._counts = Progress(is_real_time=self._is_real_time)
        self._running: asyncio.Task[None] | None = None
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
        if not self._was_first:
            wait_like_all()

    def reset(self) -> None:
        self._clear()

    def begin(self, routes: Sequence[Route], load: Load) -> None:
        self._routes, self._load = routes, load
        self._dropped = [0] * len(routes)
        self._counts.phase, self._counts.answered_at = Phase.LOADING, self._now()
        self._running = asyncio.create_task(self._run())

    def feed(self, specs: Table, messages: bytes, is_last: bool) -> None:
        view = memoryview(messages)
        for spec in specs:
            begin, end = int(spec["begin"]) + _PREFIX_BYTES, int(spec["begin"] + spec["size"])
            self._queue.append((spec, bytes(view[begin:end])))
        self._has_all = is_last
        self._fed.set()

    def progress(self) -> Progress:
        if self._running is not None and self._running.done():
            self._running.result()  # raises a fault of the generator
        self._counts.outstanding = len(self._open)
        return self._counts

    def stop(self) -> None:
        self._stopping.set()

    def _now(self) -> float:
        return time.monotonic() - self._load.zero

    async def _run(self) -> None:
        load, counts, cpu, wall = self._load, self._counts, time.process_time(), time.monotonic()
        beat = asyncio.create_task(self._beat())
        await self._until_stopped(
            self._open_loop() if load.is_open else self._closed_loop(), load.ends_at - self._now()
        )
        counts.cpu_seconds, counts.wall_seconds = time.process_time() - cpu, time.monotonic() - wall
        counts.num_taken -= self._num_aside
        counts.load_ended_at, counts.phase = self._now(), Phase.DRAINING
        if self._open:
            await self._until_stopped(asyncio.wait(self._open), load.drain_seconds)
        for call in self._open.values():
            call.cancel(End.CUT_OFF)
        await asyncio.gather(*self._open)
        beat.cancel()
        if self._fault is not None:
            raise self._fault
        counts.phase = Phase.DONE

    async def _until_stopped(self, work: Coroutine[Any, Any, Any], seconds: float) -> None:
        """Work until it is done, for a time at most, or until a stop. Raises what goes wrong."""
        tasks = [asyncio.create_task(each) for each in (work, self._stopping.wait())]
        await asyncio.wait(tasks, timeout=None if math.isinf(seconds) else seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        fault, _ = await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(fault, Exception):
            raise fault

    async def _beat(self) -> None:
        with contextlib.closing(Alarm()) as alarm:
            while True:
                due = time.monotonic() + _BEAT_SECONDS
                await alarm.until(due)
                self._lags.append(time.monotonic() - due)

    async def _has_request(self) -> bool:
        """Return whether there is another request, once that is known."""
        while not self._queue and not self._has_all:
            self._fed.clear()
            await self._fed.wait()
        return bool(self._queue)

    async def _open_loop(self) -> None:
        conversations = []
        with contextlib.closing(Alarm()) as alarm:
            while await self._has_request():
                intended = float(self._queue[0][0]["intended"])
                if intended - _AHEAD_SECONDS > self._now():
                    await alarm.until(self._load.zero + intended - _AHEAD_SECONDS)
                    continue
                request, first = self._take(), None
                if len(self._open) < self._load.max_outstanding:
                    first = self._send(request, intended)
                rest = []
                while await self._has_request() and not math.isnan(self._queue[0][0]["pause"]):
                    rest.append(self._take())
                if first is None and intended >= 0.0:
                    self._dropped[request[0]["route"]] += 1 + len(rest)
                    self._counts.dropped += 1 + len(rest)
                if first is not None and rest:
                    self._num_aside += len(rest)
                    conversations.append(asyncio.create_task(self._converse(first, rest)))
                await asyncio.sleep(0)
        await asyncio.gather(*conversations)

    async def _converse(self, begun: tuple[asyncio.Task[None], PythonCall], rest: Sequence[tuple[Any, bytes]]) -> None:
        """Send each request once the one before has ended and a pause has passed."""
        task, call = begun
        with contextlib.closing(Alarm()) as alarm:
            for request in rest:
                await asyncio.wait([task])
                intended = call.ended + float(request[0]["pause"])
                await alarm.until(self._load.zero + intended - _AHEAD_SECONDS)
                self._num_aside -= 1
                task, call = self._send(request, intended)

    async def _closed_loop(self) -> None:
        await asyncio.gather(*(self._caller(*presence) for presence in self._load.callers))

    async def _caller(self, comes_at: float, goes_at: float) -> None:
        await self._pause(comes_at - self._now())
        while self._now() < goes_at and await self._has_request():
            intended = self._now()
            if intended >= 0.0:
                intended = math.nan  # not of the warm-up, which ends at 0
                if self._counts.num_measured == self._load.budget:
                    return
                self._counts.num_measured += 1
            task, call = self._send(self._take(), intended)
            await asyncio.wait([task])
            if call.code != OK:
                await self._pause(self._load.pause_seconds)

    async def _pause(self, seconds: float) -> None:
        until = self._now() + seconds
        # Timers of uvloop count milliseconds and may be early, which would make the first request one of the warm-up.
        while (left := until - self._now()) > 0.0:  # noqa: ASYNC110  nothing sets an event then
            await asyncio.sleep(left)

    def _take(self) -> tuple[Any, bytes]:
        self._counts.num_taken += 1
        return self._queue.popleft()

    def _send(self, request: tuple[Any, bytes], intended: float) -> tuple[asyncio.Task[None], PythonCall]:
        spec, message = request
        call = self._server.begin(Order(self._routes[spec["route"]], spec, message, intended, self._load.zero))
        task = asyncio.create_task(call.run())
        self._open[task] = call
        task.add_done_callback(self._finish)
        self._counts.num_sent += 1
        self._counts.max_outstanding = max(self._counts.max_outstanding, len(self._open))
        return task, call

    def _finish(self, task: asyncio.Task[None]) -> None:
        call = self._open.pop(task)
        if not task.cancelled() and task.exception() is not None:
            self._fault = task.exception()
            self.stop()
        self._calls.append(call)
        counts, own = self._counts, {End.CANCELLED: "cancelled", End.CUT_OFF: "unfinished"}
        by_code = {OK: "ok", DEADLINE_EXCEEDED: "deadline"}.get(call.code, "error")
        name = own.get(call.end, by_code)
        setattr(counts, name, getattr(counts, name) + 1)
        if call.code == UNAVAILABLE:
            counts.unavailable_in_a_row += 1
        else:
            counts.unavailable_in_a_row, counts.answered_at = 0, self._now()

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
