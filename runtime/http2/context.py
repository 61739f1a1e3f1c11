"""One call as its handler sees it: the part of grpc.aio.ServicerContext that `runtime.rpc.rpc` uses."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, Protocol

import grpc

from runtime.http2.cached_refusals import Capacity
from runtime.http2.events import HIGH_BACKLOG_BYTES, Entry, Event, Flag, Kind, decode_metadata, trailers
from runtime.limits import MAX_MESSAGE_BYTES
from tandem.shared.errors import MessageTooLarge

# Messages that a call may write before others get their turn, if nothing else makes it wait.
_MAX_BURST = 8
# What a message that waits to be read takes besides its bytes, about.
_EVENT_BYTES = 512


class Wire(Protocol):
    """Where replies go."""

    def send(self, call_id: int, message: bytes) -> int:
        """Send one message; return the bytes that the client has not taken, negative if the call has ended."""

    def finish(self, call_id: int, message: bytes | None, trailers: bytes) -> None:
        """End the call, soon: with others that end in the same round of the event loop."""

    def refuse_alike(self, call_id: int, trailers: bytes, cached: bytes, capacity: Capacity) -> None: ...


class Http2Context:
    """Used on the event loop alone."""

    has_whole_writes = True
    """A write that is cancelled loses nothing: see `runtime.rpc.message.undisturbed`."""

    def __init__(self, event: Event, wire: Wire, serializer: Callable[[Any], bytes] | None) -> None:
        self._id = event.call_id
        self._deadline = event.deadline
        self._metadata = decode_metadata(event.metadata)
        self._wire = wire
        self._serializer = serializer or bytes
        self._messages: deque[Event] = deque()
        self._waiting_bytes = 0  # of these
        self._is_half_closed = False
        self._readers: set[asyncio.Future[None]] = set()  # who wait for a message, or for the end of the request
        self._writers: set[asyncio.Future[None]] = set()  # who wait for room
        self._num_written = 0
        self._is_left = False
        self._trailers: tuple[Entry, ...] = ()
        self.is_finished = False
        self.take(event)

    # What the server tells.

    def take(self, event: Event) -> bool:
        """Note a message, the end of the request, or that there is room to write.

        Returns False, and ends the call, if more messages wait to be read than are kept.
        """
        if event.flags & Flag.HAS_MESSAGE:
            self._waiting_bytes += len(event.payload) + _EVENT_BYTES
            if self._messages and self._waiting_bytes > MAX_MESSAGE_BYTES:
                self._messages.clear()
                self.finish(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many messages that the method has not read")
                return False
            self._messages.append(event)
        if event.flags & Flag.IS_HALF_CLOSED:
            self._is_half_closed = True
        # A message does not wake a writer: the client could lift with it what holds the writer back.
        _wake(self._writers if event.kind == Kind.WRITABLE else self._readers)
        return True

    def leave(self) -> None:
        """Note that nobody is there any more: whoever waits for a message or for room gets CancelledError."""
        self._is_left = True
        _wake(self._readers | self._writers)

    # What handlers use, as in grpc.aio.

    def invocation_metadata(self) -> tuple[Entry, ...]:
        return self._metadata

    def time_remaining(self) -> float | None:
        return None if self._deadline == math.inf else max(0.0, self._deadline - time.monotonic())

    @property
    def has_message(self) -> bool:
        """Whether `read` returns a message at once."""
        return bool(self._messages)

    async def read(self) -> Any:
        """Return the next message, raw, or grpc.aio.EOF. Raises MessageTooLarge."""
        while not self._messages:
            if self._is_half_closed:
                return grpc.aio.EOF
            await self._wait(self._readers)
        event = self._messages.popleft()
        self._waiting_bytes -= len(event.payload) + _EVENT_BYTES
        if event.flags & Flag.IS_TOO_LARGE:
            raise MessageTooLarge(event.number, MAX_MESSAGE_BYTES)
        return event.payload

    async def write(self, message: Any) -> None:
        """Send a message; wait while the client has too much to take. Raises CancelledError if it is gone."""
        left = self._wire.send(self._id, self._serializer(message))
        if left < 0:
            raise asyncio.CancelledError
        if left > HIGH_BACKLOG_BYTES:
            await self._wait(self._writers)
        self._num_written += 1
        if self._num_written % _MAX_BURST == 0:
            await asyncio.sleep(0)

    def set_trailing_metadata(self, entries: Iterable[Entry]) -> None:
        self._trailers = tuple(entries)

    async def abort(self, code: grpc.StatusCode, details: str, entries: Iterable[Entry] = ()) -> NoReturn:
        """End the call with a status other than OK. Raises grpc.aio.AbortError."""
        self.finish(code, details, entries=entries)
        raise grpc.aio.AbortError

    async def refuse_alike(
        self, code: grpc.StatusCode, details: str, entries: Iterable[Entry], cached: Iterable[Entry], capacity: Capacity
    ) -> NoReturn:
        """Abort, and let the server refuse those like it beyond `capacity()` more, with `cached` for `entries`.

        Raises grpc.aio.AbortError.
        """
        if not self.is_finished:
            self.is_finished = True
            own, others = (trailers(code.value[0], details, each) for each in (entries, cached))
            self._wire.refuse_alike(self._id, own, others, capacity)
        raise grpc.aio.AbortError

    # How the server ends the call.

    def finish(
        self, code: grpc.StatusCode, details: str = "", reply: Any = None, entries: Iterable[Entry] | None = None
    ) -> None:
        """End the call, with a last message if there is one; the first end counts."""
        if self.is_finished:
            return
        self.is_finished = True
        message = None if reply is None else self._serializer(reply)
        told = self._trailers if entries is None else entries
        self._wire.finish(self._id, message, trailers(code.value[0], details, told))

    async def _wait(self, waiters: set[asyncio.Future[None]]) -> None:
        if not self._is_left:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiters.add(waiter)
            try:
                await waiter
            finally:
                waiters.discard(waiter)
        if self._is_left:
            raise asyncio.CancelledError


def _wake(waiters: Iterable[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
