"""HTTP/2 by hand, for what no client library would send."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from hpack import Decoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
CANCEL = 8


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def headers(path: str, **more: str) -> bytes:
    """Return a head in HPACK, each field in full."""
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "a", "te": "trailers"}
    fields |= {"content-type": "application/grpc", **{name.replace("_", "-"): value for name, value in more.items()}}
    return b"".join(b"\x00" + _string(name) + _string(value) for name, value in fields.items())


def _string(text: str) -> bytes:
    assert len(text) < 127
    return bytes((len(text),)) + text.encode()


def message(body: bytes) -> bytes:
    """Return a gRPC message."""
    return b"\x00" + struct.pack(">I", len(body)) + body


@dataclass(frozen=True)
class Connection:
    """A connection whose settings have been sent."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    decoder: Decoder = field(default_factory=Decoder)

    async def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))
        await self.writer.drain()

    async def until(self, *kinds: int) -> tuple[int, int, bytes]:
        """Return the next frame of one of these kinds: kind, stream and payload. Raises EOFError, TimeoutError."""
        async with asyncio.timeout(60):
            while True:
                head = await self.reader.readexactly(9)
                payload = await self.reader.readexactly(int.from_bytes(head[:3]))
                if head[3] in kinds:
                    return head[3], int.from_bytes(head[5:9]), payload

    async def status(self) -> str:
        """Return the grpc-status that comes next, if no other head was left unread."""
        while True:
            fields = dict(self.decoder.decode((await self.until(HEADERS))[2]))
            if "grpc-status" in fields:
                return str(fields["grpc-status"])

    async def until_closed(self) -> None:
        """Wait until the other side has closed."""
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionError):
                while await self.reader.read(65_536):
                    pass


@contextlib.asynccontextmanager
async def connected(to: int | Path, window: int | None = None, source: str = "127.0.0.1") -> AsyncIterator[Connection]:
    """Connect to a port of loopback or a Unix socket; `window` is how much of a stream may come unasked.

    `source` is an address of loopback to connect from, another caller's.
    """
    if isinstance(to, Path):
        reader, writer = await asyncio.open_unix_connection(to)
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", to, local_addr=(source, 0))
    try:
        connection = Connection(reader, writer)
        settings = b"" if window is None else struct.pack(">HI", 4, window)
        await connection.send(PREFACE, frame(SETTINGS, 0, settings))
        yield connection
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
