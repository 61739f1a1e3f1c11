"""One request and its answer: sent, read, timed, and ended in exactly one way.

Nothing here tears a read: a call that is to end early is cancelled itself, and its reader sees that end.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc

from bench.load.messages import Read, Reading, RequestOf
from bench.load.orders import Order
from bench.load.record import NOT_TOLD, Ended, Fate, Recorder
from tandem.client.credentials import CallMetadata

_NAN = float("nan")
_OK, _CANCELLED, _DEADLINE_EXCEEDED = (
    code.value[0] for code in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)
)
_MAX_TEXT = 500


class Line:
    """One stream of work on one connection: how to ask, and how to read the answer."""

    def __init__(
        self,
        rpc: Any,
        make_request: RequestOf,
        read: Read,
        deadline_seconds: float | None,
        metadata: CallMetadata | None = None,
    ) -> None:
        self._rpc = rpc
        self._make_request = make_request
        self._deadline_seconds = deadline_seconds
        self._metadata = metadata
        self.read = read
        self.is_streamed = isinstance(rpc, grpc.aio.UnaryStreamMultiCallable)

    def call(self, order: Order) -> Any:
        """Send a request; return grpc's call."""
        return self._rpc(self._make_request(order), timeout=self._deadline_seconds, metadata=self._metadata)


class Exchange:
    """The life of one request; `zero` is the end of the warm-up, on the monotonic clock."""

    __slots__ = (
        "_call",
        "_ended",
        "_intended",
        "_line",
        "_messages",
        "_num_images",
        "_num_messages",
        "_num_outputs",
        "_order",
        "_our_end",
        "_sent",
        "_timings",
        "_zero",
    )

    def __init__(self, line: Line, order: Order, intended: float, zero: float) -> None:
        self._line = line
        self._order = order
        self._intended = intended
        self._zero = zero
        self._our_end: Fate | None = None
        self._timings: Any = None
        self._messages: list[tuple[int, float, int]] = []
        self._num_images = self._num_messages = self._num_outputs = 0
        self._ended = 0.0
        # All requests are sent in the turn of the loop in which they are due.
        self._sent = time.monotonic()
        self._call = line.call(order)

    def end(self, fate: Fate) -> None:
        """Cancel the call, if it still runs, for this reason."""
        if self._call.cancel():
            self._our_end = fate

    async def run(self, recorder: Recorder) -> int:
        """Read the answer to its end, record it, and return the number of its status."""
        after = self._order.cancel_after_seconds
        timer = asyncio.get_running_loop().call_later(after, self.end, Fate.CANCELLED) if after is not None else None
        code: int = _OK
        text, told = "", NOT_TOLD
        try:
            await (self._stream() if self._line.is_streamed else self._unary())
            told = self._told()
        except grpc.aio.AioRpcError as error:
            code, text = int(error.code().value[0]), f"{error.code().name}\n{error.details() or ''}"
        except asyncio.CancelledError:
            # grpc raises it for any call that ended as CANCELLED, whoever ended it; asyncio for our own end.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            code, text = _CANCELLED, "CANCELLED\nby the server"
        if timer is not None:
            timer.cancel()
        self._record(recorder, code, text, told)
        return code

    async def _unary(self) -> None:
        message = await self._call
        self._ended = time.monotonic()
        self._take(self._line.read(message))

    async def _stream(self) -> None:
        read, call_read, number, zero = self._line.read, self._call.read, self._order.number, self._zero
        while (message := await call_read()) is not grpc.aio.EOF:
            at = time.monotonic()
            reading = read(message)
            self._take(reading)
            if reading.num_outputs:
                self._messages.append((number, at - zero, reading.num_outputs))
        self._ended = time.monotonic()

    def _take(self, reading: Reading) -> None:
        num_outputs, num_images, timings = reading
        self._num_messages += 1
        self._num_outputs += num_outputs
        self._num_images += num_images
        self._timings = timings or self._timings

    def _told(self) -> tuple[float, ...]:
        """Return what the backend says of the time, in the order of bench.load.record.TOLD."""
        timings = self._timings
        if timings is None:
            return NOT_TOLD
        return (
            timings.queue_seconds,
            timings.prefill_seconds,
            timings.batch_wait_seconds,
            timings.decode_seconds,
            timings.compute_seconds,
            timings.encode_seconds,
            timings.total_seconds,
            timings.mean_batch_size,
        )

    def _record(self, recorder: Recorder, code: int, text: str, told: tuple[float, ...]) -> None:
        ended, order, zero = self._ended or time.monotonic(), self._order, self._zero
        fate = self._fate(code)
        if fate in (Fate.ERROR, Fate.DEADLINE):
            name, _, details = text.partition("\n")
            recorder.error_texts[order.work, name, details[:_MAX_TEXT]] += 1
        if self._line.is_streamed:
            first_output = self._messages[0][1] if self._messages else _NAN
        else:
            first_output = ended - zero if self._num_outputs else _NAN
        row = Ended(
            order.number,
            order.work,
            fate,
            code,
            order.length,
            self._num_outputs,
            self._num_images,
            self._num_messages,
            self._intended,
            self._sent - zero,
            first_output,
            ended - zero,
            told,
        )
        recorder.ended(row, self._messages)

    def _fate(self, code: int) -> Fate:
        if code == _OK:
            return Fate.OK
        if code == _CANCELLED and self._our_end is not None:
            return self._our_end
        return Fate.DEADLINE if code == _DEADLINE_EXCEEDED else Fate.ERROR
