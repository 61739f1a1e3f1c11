"""Calls that end before their message is whole: END_STREAM where a message, or the rest of one, should be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.attacks.connection import Connection
from tests.faults.attacks.grpc_stream import call_headers, framed

HANGS = "hangs"
NO_STATUS = "no status"

_WHOLE = framed(b"x" * 100)
# What is sent behind the headers; None: nothing, not even an empty frame.
BODIES: tuple[bytes | None, ...] = (None, b"", _WHOLE[:3], _WHOLE[:50])


@dataclass(frozen=True)
class Ending:
    """How one half-closed call ended: the number of a gRPC status, or one of HANGS and NO_STATUS."""

    path: str
    status: int | str


async def half_close(connection: Connection, paths: Sequence[str], limit_seconds: float) -> list[Ending]:
    """Half-close a call of each path behind each of BODIES, all at once, and return how each ended within the limit."""
    calls = [(path, await _open(connection, path, body)) for path in paths for body in BODIES]
    return await asyncio.gather(*(_ending(connection, *call, limit_seconds) for call in calls))


async def _open(connection: Connection, path: str, body: bytes | None) -> int:
    number = connection.open_stream(call_headers(path), end_stream=body is None)
    await (connection.flush() if body is None else connection.send(number, body))
    return number


async def _ending(connection: Connection, path: str, number: int, limit_seconds: float) -> Ending:
    try:
        stream = await connection.answer(number, limit_seconds)
    except TimeoutError:
        return Ending(path, HANGS)
    return Ending(path, NO_STATUS if stream.status is None else stream.status)
