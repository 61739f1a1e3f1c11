"""One connection over HTTP/1.1, and the exchange that it carries: a request and its reply. llhttp parses (httptools).

Instants are taken when the system hands the bytes over, before anything is parsed.
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


class Exchange:
    """What has come of a reply. Called by the parser; `on_message` gets each event, or else the whole body.

    `body` is that of a reply that is no stream of events; `done` has None for a whole reply, else why it is not.
    """

    def __init__(self, on_message: OnMessage) -> None:
        self.done: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.is_events = False
        self.received_at = 0.0
        self._on_message = on_message
        self._events = Events()
        self.body = bytearray()
        self._has_end = False  # its head says where it ends

    def feed(self, data: bytes) -> None:
        """Take bytes of the reply. Raises httptools.HttpParserError."""
        self.received_at = time.monotonic()
        self.parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._has_end |= name in (b"content-length", b"transfer-encoding")
        self.is_events |= name == b"content-type" and value.lower().startswith(_EVENT_STREAM)

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()

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
        self.end(None)

    def closed(self, why: str) -> None:
        """Take the end of the connection, which is also that of a reply whose head says none."""
        if self.status and not self._has_end and not self.done.done():
            self.on_message_complete()
        self.end(why)

    def end(self, why: str | None) -> None:
        if not self.done.done():
            self.done.set_result(why)


class Connection(asyncio.Protocol):
    """`on_lost` is told when it is over."""

    def __init__(self, on_lost: Callable[[Connection], None]) -> None:
        self._on_lost = on_lost
        self._exchange: Exchange | None = None
        self._transport: asyncio.Transport | None = None
        self.is_used = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own, which is no subclass

    def begin(self, exchange: Exchange, request: bytes) -> None:
        assert self._transport is not None
        self._exchange = exchange
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:  # nobody has asked
            return self.abort()
        try:
            exchange.feed(data)
        except httptools.HttpParserError as error:
            exchange.end(f"the reply does not follow HTTP/1.1: {error}")
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self._exchange is not None:
            self._exchange.received_at = time.monotonic()
            self._exchange.closed("the server closed the connection" if error is None else str(error))
        self._on_lost(self)

    def finish(self) -> bool:
        """Part from an exchange that is over; return whether another one may follow."""
        exchange, self._exchange, self.is_used = self._exchange, None, True
        assert exchange is not None
        assert self._transport is not None
        return exchange.parser.should_keep_alive() and not self._transport.is_closing()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
