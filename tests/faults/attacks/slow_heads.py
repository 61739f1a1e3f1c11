"""Connections that never get to a whole request: bytes one at a time, nothing, garbage, half a TCP connection."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import h2.connection
from hpack import Encoder

from tests.faults.attacks.grpc_stream import call_headers
from tests.faults.clients import SAMPLE

_HEADERS_FRAME, _END_HEADERS = 1, 4


def _preface() -> bytes:
    connection = h2.connection.H2Connection()
    connection.initiate_connection()
    return bytes(connection.data_to_send())


def _slow_headers() -> bytes:
    """Return a good preface and HEADERS whose block comes byte by byte."""
    block = Encoder().encode(call_headers(SAMPLE))
    return len(block).to_bytes(3, "big") + bytes([_HEADERS_FRAME, _END_HEADERS]) + (1).to_bytes(4, "big") + block


def _client_hello() -> bytes:
    """Return what a TLS client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


_POST = f"POST {SAMPLE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"


@dataclass(frozen=True)
class Head:
    """What a connection sends: `at_once`, then `slowly` a byte at a time, or half-closes."""

    at_once: bytes = b""
    slowly: bytes = b""
    half_closes: bool = False


GRPC_HEADS: Mapping[str, Head] = {
    "slow preface": Head(slowly=_preface()),
    "slow headers": Head(_preface(), _slow_headers()),
    "idle": Head(),
    "garbage": Head(os.urandom(4096)),
    "TLS to a plain port": Head(_client_hello()),
    "half-open TCP": Head(half_closes=True),
    "half-open after the preface": Head(_preface(), half_closes=True),
}
HTTP_HEADS: Mapping[str, Head] = {
    "slow headers": Head(slowly=_POST.encode()),
    "slow body": Head(f"{_POST}\r\n".encode(), b"{" + b" " * 998 + b"}"),
    "idle": Head(),
    "garbage": Head(os.urandom(4096)),
    "TLS to a plain port": Head(_client_hello()),
    "half-open TCP": Head(half_closes=True),
}


@dataclass
class Crowd:
    """Connections that stand at once; `num_open` are those that the server has not ended."""

    sockets: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]

    @property
    def num_open(self) -> int:
        return sum(not reader.at_eof() and reader.exception() is None for reader, _ in self.sockets)

    async def drip(self, data: bytes, num_bytes: int, pause_seconds: float) -> None:
        """Send the first bytes one at a time on every connection, or stand still if there is nothing to send."""
        for index in range(num_bytes):
            for reader, writer in self.sockets:
                if not reader.at_eof() and reader.exception() is None and index < len(data):
                    writer.write(data[index : index + 1])
            await asyncio.sleep(pause_seconds)


@contextlib.asynccontextmanager
async def crowd(address: str, head: Head, num_connections: int) -> AsyncIterator[Crowd]:
    """Open so many connections to `host:port` that begin in this way, and drop them at the end."""
    host, _, port = address.rpartition(":")
    sockets = [await asyncio.open_connection(host, int(port)) for _ in range(num_connections)]
    readers = [asyncio.create_task(_drain(reader)) for reader, _ in sockets]
    try:
        for _, writer in sockets:
            with contextlib.suppress(OSError):
                writer.write(head.at_once)
                if head.half_closes:
                    writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        yield Crowd(sockets)
    finally:
        for (_, writer), task in zip(sockets, readers, strict=True):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


async def _drain(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(4096):
            pass
