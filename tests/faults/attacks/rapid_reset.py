"""Rapid reset: streams that are opened and reset at once, which costs a server work and the attacker nothing."""

from __future__ import annotations

from tests.faults.attacks.connection import Connection
from tests.faults.attacks.grpc_stream import call_headers, framed

FLUSH_EVERY = 50


async def reset_rapidly(connection: Connection, path: str, message: bytes | None, num_streams: int) -> int:
    """Open and reset so many streams, with their message or without; return how many were sent before a GOAWAY."""
    for number in range(num_streams):
        if connection.closed.is_set():
            return number
        stream = connection.open_stream(call_headers(path))
        if message is not None:
            await connection.send(stream, framed(message))
        connection.reset(stream)
        if number % FLUSH_EVERY == 0:
            await connection.flush()
    await connection.flush()
    return num_streams
