"""One HTTP/2 connection whose every frame the test decides, so that it can be as rude as a stranger's.

Knows no gRPC beyond the header names that end a stream; see grpc_stream for messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

import grpc
import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
Header = tuple[str, str]

OPEN_WINDOW = 2**31 - 1
READ_BYTES = 1 << 16
KEPT_BYTES = 1 << 16  # of a body; the rest is counted alone


@dataclass
class Stream:
    """What the peer said on one stream so far; `ended` is set once, by trailers, a reset or the connection's end."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    num_bytes: int = 0
    error_code: int | None = None
    """The code of RST_STREAM, None if the stream was not reset by the peer."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with the first headers or data that came."""

    @property
    def status(self) -> int | None:
        """The gRPC status, None if the stream ended without one."""
        code = self.headers.get("grpc-status")
        return None if code is None else int(code)

    @property
    def status_name(self) -> str:
        """The status as grpc names it, "no status" without one."""
        return "no status" if self.status is None else _NAMES.get(self.status, str(self.status))


class Connection:
    """Owns the socket and the protocol's state; a task of its own reads whatever comes.

    With `window` below OPEN_WINDOW the peer may send that many bytes a stream, and never gets leave for more.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, window: int) -> None:
        self._reader = reader
        self._writer = writer
        self._grants = window == OPEN_WINDOW
        self._window = window
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=False)
        self._h2 = h2.connection.H2Connection(config)
        self._streams: dict[int, Stream] = {}
        self._reading: asyncio.Task[None] | None = None
        self._window_opened = asyncio.Event()
        self.closed = asyncio.Event()
        self.goaway: int | None = None
        """The error code of the peer's GOAWAY, None if it sent none."""

    async def start(self) -> None:
        """Exchange the preface and settings, and read from then on."""
        self._h2.initiate_connection()
        initial = self._window if not self._grants else 1 << 20
        self._h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: initial})
        if self._grants:
            self._h2.increment_flow_control_window(1 << 24)
        await self.flush()
        self._reading = asyncio.create_task(self._read())

    def open_stream(self, headers: Iterable[Header], end_stream: bool = False) -> int:
        """Queue HEADERS on a new stream and return its number; `flush` sends what is queued."""
        number = int(self._h2.get_next_available_stream_id())
        self._streams[number] = Stream()
        self._h2.send_headers(number, list(headers), end_stream=end_stream)
        return number

    def reset(self, number: int, code: int = h2.errors.ErrorCodes.CANCEL) -> None:
        """Queue RST_STREAM and forget the stream."""
        with contextlib.suppress(h2.exceptions.StreamClosedError):
            self._h2.reset_stream(number, code)
        self._streams.pop(number, Stream()).ended.set()

    async def send(self, number: int, data: bytes, end_stream: bool = True) -> None:
        """Send the data as the peer's window allows. Raises ConnectionError if the peer leaves meanwhile."""
        view = memoryview(data)
        while len(view) > (room := self._room(number)):
            self._window_opened.clear()
            if room:
                self._h2.send_data(number, bytes(view[:room]))
                view = view[room:]
                await self.flush()
            elif self._is_over(number):
                return
            else:
                await self._window_opened.wait()
        self._h2.send_data(number, bytes(view), end_stream=end_stream)
        await self.flush()

    async def grant(self, number: int, num_bytes: int) -> None:
        """Give the peer leave to send so many bytes more on a stream: a slow reader. Raises ConnectionError."""
        with contextlib.suppress(h2.exceptions.ProtocolError):
            self._h2.increment_flow_control_window(num_bytes, number)
            self._h2.increment_flow_control_window(num_bytes)
        await self.flush()

    async def flush(self) -> None:
        """Send what is queued. Raises ConnectionError."""
        self._writer.write(self._h2.data_to_send())
        await self._writer.drain()

    def stream(self, number: int) -> Stream:
        """Return what came on a stream that was not reset by this side."""
        return self._streams[number]

    async def answer(self, number: int, timeout_seconds: float) -> Stream:
        """Return the stream once it has ended. Raises TimeoutError."""
        stream = self._streams[number]
        async with asyncio.timeout(timeout_seconds):
            await stream.ended.wait()
        return self._streams.pop(number, stream)

    def abort(self) -> None:
        """Drop the connection without a word: the peer sees a reset of TCP."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Drop the connection and wait for the reading task."""
        self.abort()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _room(self, number: int) -> int:
        """Return how many bytes may go out on the stream now, 0 if it is over."""
        if self._is_over(number):
            return 0
        with contextlib.suppress(h2.exceptions.ProtocolError):
            return int(min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size))
        return 0

    def _is_over(self, number: int) -> bool:
        return number not in self._streams or self._streams[number].ended.is_set() or self.closed.is_set()

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(READ_BYTES):
                for event in self._h2.receive_data(data):
                    self._handle(event)
                await self.flush()
        except (OSError, h2.exceptions.ProtocolError):
            pass  # the peer has left, or speaks nonsense after the test did: the streams end without a status
        finally:
            self._end_all()

    def _handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = int(event.error_code or 0)
        elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            self._window_opened.set()
        elif (number := getattr(event, "stream_id", None)) in self._streams:
            self._of_stream(self._streams[number], event)
        if isinstance(event, h2.events.DataReceived) and self._grants:
            self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)

    def _of_stream(self, stream: Stream, event: h2.events.Event) -> None:
        stream.began.set()
        if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
            stream.headers.update((str(name), str(value)) for name, value in event.headers or ())
        elif isinstance(event, h2.events.DataReceived):
            stream.num_bytes += len(event.data or b"")
            if len(stream.body) < KEPT_BYTES:
                stream.body += event.data or b""
        elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
            stream.error_code = int(event.error_code or 0) if isinstance(event, h2.events.StreamReset) else None
            stream.ended.set()
            self._window_opened.set()

    def _end_all(self) -> None:
        self.closed.set()
        self._window_opened.set()
        for stream in self._streams.values():
            stream.ended.set()


@contextlib.asynccontextmanager
async def connected(
    address: str, window: int = OPEN_WINDOW, tls: ssl.SSLContext | None = None, source: str = ""
) -> AsyncIterator[Connection]:
    """Open a connection to `host:port`, from `source` if it is given, and drop it at the end.

    Raises OSError, ssl.SSLError.
    """
    host, _, port = address.rpartition(":")
    local = (source, 0) if source else None
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls, local_addr=local)
    connection = Connection(reader, writer, window)
    try:
        await connection.start()
        yield connection
    finally:
        await connection.close()
