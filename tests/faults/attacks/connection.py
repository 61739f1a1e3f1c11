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

from tests.waiting import LIMIT_SECONDS, until

_OPEN = h2.connection.ConnectionState.CLIENT_OPEN
# After a GOAWAY the streams that are under way go on, which h2 does not have.
_TRANSITIONS = h2.connection.H2ConnectionStateMachine._transitions | {
    (_OPEN, h2.connection.ConnectionInputs.RECV_GOAWAY): (None, _OPEN)
}
_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
Header = tuple[str, str] | tuple[bytes, bytes]

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
        self._h2.state_machine._transitions = _TRANSITIONS
        self._streams: dict[int, Stream] = {}
        self._reading: asyncio.Task[None] | None = None
        self._window_opened = asyncio.Event()
        self._greeted = asyncio.Event()
        self.closed = asyncio.Event()
        self.last_stream: int | None = None
        """The last stream that the peer takes by its last GOAWAY, None if it sent none."""

    async def start(self) -> None:
        """Exchange the preface and settings, and read from then on."""
        self._h2.initiate_connection()
        initial = self._window if not self._grants else 1 << 20
        self._h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: initial})
        if self._grants:
            self._h2.increment_flow_control_window(1 << 24)
        await self.flush()
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(self._end_all)

    def open_stream(self, headers: Iterable[Header], end_stream: bool = False) -> int:
        """Queue HEADERS on a new stream and return its number; `flush` sends what is queued."""
        number = int(self._h2.get_next_available_stream_id())
        self._streams[number] = Stream()
        self._h2.send_headers(number, list(headers), end_stream=end_stream)
        return number

    def queue(self, number: int, data: bytes) -> None:
        """Queue the end of a request that fits the window; `flush` sends what is queued, in one piece."""
        self._h2.send_data(number, data, end_stream=True)

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

    async def grant(self, num_bytes: int, *numbers: int) -> None:
        """Give the peer leave to send so many bytes more, and so many on these streams. Raises ConnectionError."""
        with contextlib.suppress(h2.exceptions.ProtocolError):
            for number in (None, *numbers):
                self._h2.increment_flow_control_window(num_bytes, number)
        await self.flush()

    async def flush(self, most_bytes: int | None = None) -> None:
        """Send what is queued, or so much of it and never the rest. Raises ConnectionError."""
        self._writer.write(self._h2.data_to_send()[:most_bytes])
        await self._writer.drain()

    async def greeted(self) -> bool:
        """Return whether the peer sends its settings, and does not close the connection before."""
        await until(lambda: self._greeted.is_set() or self.closed.is_set())
        return self._greeted.is_set()

    def vanish(self) -> None:
        """Read and answer nothing any more, pings included, and leave the connection open."""
        if self._reading is not None:
            self._reading.remove_done_callback(self._end_all)
            self._reading.cancel()

    def stream(self, number: int) -> Stream:
        """Return what came on a stream that was not reset by this side."""
        return self._streams[number]

    async def answer(self, number: int, timeout_seconds: float = LIMIT_SECONDS) -> Stream:
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
        # The peer may leave, or speak nonsense after the test did: the streams end without a status.
        with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            while data := await self._reader.read(READ_BYTES):
                for event in self._h2.receive_data(data):
                    self._handle(event)
                await self.flush()

    def _handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self.last_stream = event.last_stream_id
        elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            self._window_opened.set()
            self._greeted.set()
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

    def _end_all(self, _: object) -> None:
        self.closed.set()
        self._window_opened.set()
        for stream in self._streams.values():
            stream.ended.set()


@contextlib.asynccontextmanager
async def connected(
    address: str, window: int = OPEN_WINDOW, tls: ssl.SSLContext | None = None, source: str = ""
) -> AsyncIterator[Connection]:
    """Open a connection to `host:port` or to a Unix socket's path, from `source` if it is given; drop it at the end.

    Raises OSError, ssl.SSLError.
    """
    host, _, port = address.rpartition(":")
    local = (source, 0) if source else None
    if address.startswith("/"):
        reader, writer = await asyncio.open_unix_connection(address)
    else:
        reader, writer = await asyncio.open_connection(host, int(port), ssl=tls, local_addr=local)
    connection = Connection(reader, writer, window)
    try:
        await connection.start()
        yield connection
    finally:
        await connection.close()
