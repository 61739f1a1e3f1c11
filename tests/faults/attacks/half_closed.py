"""Calls that end before their message is whole: END_STREAM where a message, or the rest of one, should be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.attacks.connection import Connection
from tests.faults.attacks.grpc_stream import call_headers, framed

HANGS = "hangs"
NO_STATUS = "no status"

Opening = Callable[[Connection, str], Awaitable[int]]


async def _headers_alone(connection: Connection, path: str) -> int:
    number = connection.open_stream(call_headers(path), end_stream=True)
    await connection.flush()
    return number


async def _ended_with(connection: Connection, path: str, data: bytes) -> int:
    number = connection.open_stream(call_headers(path))
    await connection.send(number, data)
    return number


async def _empty_data(connection: Connection, path: str) -> int:
    return await _ended_with(connection, path, b"")


async def _torn_prefix(connection: Connection, path: str) -> int:
    return await _ended_with(connection, path, framed(b"x" * 100)[:3])


async def _torn_message(connection: Connection, path: str) -> int:
    return await _ended_with(connection, path, framed(b"x" * 100)[:50])


WAYS: Mapping[str, Opening] = {
    "headers alone": _headers_alone,
    "an empty frame": _empty_data,
    "a torn prefix": _torn_prefix,
    "a torn message": _torn_message,
}


@dataclass(frozen=True)
class Ending:
    """How one half-closed call ended: the number of a gRPC status, or one of HANGS and NO_STATUS."""

    path: str
    way: str
    status: int | str


async def half_close(connection: Connection, paths: Sequence[str], limit_seconds: float) -> list[Ending]:
    """Half-close a call of each path in each way, all at once, and return how each ended within the limit."""
    calls = [(path, way, await opening(connection, path)) for path in paths for way, opening in WAYS.items()]
    return await asyncio.gather(*(_ending(connection, *call, limit_seconds) for call in calls))


async def _ending(connection: Connection, path: str, way: str, number: int, limit_seconds: float) -> Ending:
    try:
        stream = await connection.answer(number, limit_seconds)
    except TimeoutError:
        return Ending(path, way, HANGS)
    return Ending(path, way, NO_STATUS if stream.status is None else stream.status)
