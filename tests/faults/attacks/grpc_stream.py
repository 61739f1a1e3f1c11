"""gRPC on a raw HTTP/2 connection: the headers of a call, the five bytes before a message, torn and packed messages."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Mapping

from tests.faults.attacks.connection import Connection, Header

FLUSH_EVERY = 50  # streams of a rapid reset
PREFIX = struct.Struct(">BI")  # compressed flag, length

PACKERS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


def call_headers(path: str, *more: Header, timeout: str | None = None) -> list[Header]:
    """Return the headers that open a call; `timeout` as grpc-timeout has it, such as "5S"."""
    deadline = [("grpc-timeout", timeout)] if timeout else []
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "127.0.0.1"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *deadline,
        *more,
    ]


def framed(message: bytes, compressed: bool = False) -> bytes:
    """Return the message behind its prefix."""
    return PREFIX.pack(compressed, len(message)) + message


async def begin(connection: Connection, path: str, message: bytes, *more: Header, timeout: str | None = None) -> int:
    """Send a whole call and return its stream's number."""
    number = connection.open_stream(call_headers(path, *more, timeout=timeout))
    await connection.send(number, framed(message))
    return number


async def reset_rapidly(connection: Connection, path: str, message: bytes | None, num_streams: int) -> int:
    """Open and reset so many streams, with their message or without; return how many were sent before a GOAWAY.

    It costs a server work and its caller nothing.
    """
    for number in range(num_streams):
        if connection.closed.is_set() or connection.last_stream is not None:
            return number
        stream = connection.open_stream(call_headers(path))
        if message is not None:
            await connection.send(stream, framed(message))
        connection.reset(stream)
        if number % FLUSH_EVERY == 0:
            await connection.flush()
    await connection.flush()
    return num_streams
