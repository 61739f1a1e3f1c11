"""One connection over HTTP/1.1, and the reply that it waits for. llhttp parses (httptools).

Instants are the system's, where it tells them (`NotedSocket`), or when it hands the bytes over; never of the parsing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

import httptools

_EVENT_STREAM = b"text/event-stream"
_MAX_KEPT_BYTES = 256 << 20

OnMessage = Callable[[bytes, float], None]


class Events:
    """Server-sent events out of the bytes of a reply, in pieces of any size."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of the events that end in this piece; an event without data is a comment, and left out."""
        *whole, self._rest = (self._rest + piece).replace(b"\r\n", b"\n").split(b"\n\n")
        return [data for event in whole if (data := _data(event)) is not None]


def _data(event: bytes) -> bytes | None:
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


class Connection(asyncio.Protocol):
    """`on_lost` is told when it is over. Of the last reply: `status`, 0 before it has one; `is_events`; `body`, of one
    that is no stream of events; `received_at`, when its last bytes came.
    """

    def __init__(self, on_lost: Callable[[Connection], None]) -> None:
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[str | None] | None = None  # of the reply that is waited for
        self.is_used = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own, which is no subclass

    def prepare(self, on_message: OnMessage) -> None:
        """Get ready for a reply. `on_message` gets each of its events, or else the whole body."""
        self._parser, self._events, self._on_message = httptools.HttpResponseParser(self), Events(), on_message
        self.status, self.is_events, self.body, self.received_at = 0, False, bytearray(), 0.0
        self._has_end = self._stays = False  # its head says where it ends; another request may follow
        self._done = asyncio.get_running_loop().create_future()

    def send(self, request: bytes) -> None:
        """Send a request whose reply is prepared for, at once."""
        assert self._transport is not None
        self._transport.write(request)

    async def reply(self) -> str | None:
        """Return None once the reply to what was sent is whole, else why it is not."""
        assert self._done is not None
        try:
            why = await self._done
        except asyncio.CancelledError:
            self.abort()
            raise
        self._done = None
        return why

    def is_reusable(self) -> bool:
        """Return whether another request may follow the one whose reply is whole."""
        assert self._transport is not None
        self.is_used = True
        return self._stays and not self._transport.is_closing()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self.take(data, time.monotonic())

    def take(self, data: bytes, at: float) -> None:
        """Take bytes that came at an instant (time.monotonic)."""
        if self._done is None:  # nobody has asked
            return self.abort()
        self.received_at = at
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(f"the reply does not follow HTTP/1.1: {error}")
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self._done is not None:
            self.received_at = time.monotonic()
            if self.status and not self._has_end and not self._done.done():
                self.on_message_complete()
            self._end("the server closed the connection" if error is None else str(error))
        self._on_lost(self)

    def _end(self, why: str | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(why)

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._has_end |= name in (b"content-length", b"transfer-encoding")
        self.is_events |= name == b"content-type" and value.lower().startswith(_EVENT_STREAM)

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, piece: bytes) -> None:
        if self.is_events and self.status == 200:
            for data in self._events.feed(piece):
                self._on_message(data, self.received_at)
        elif len(self.body) < _MAX_KEPT_BYTES:
            self.body += piece

    def on_message_complete(self) -> None:
        if 100 <= self.status < 200:  # the reply proper follows
            return
        if self.status == 200 and not self.is_events:
            self._on_message(bytes(self.body), self.received_at)
        self._stays = bool(self._parser.should_keep_alive())  # behind the message the parser has forgotten its head
        self._end(None)
