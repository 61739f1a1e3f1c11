"""Calls that are half-closed before their message is whole, on every method that a server lists."""

import asyncio

import pytest

from tests.effort import Effort
from tests.faults.attacks.connection import Connection, connected
from tests.faults.attacks.grpc_stream import call_headers, framed
from tests.faults.attacks.reflected import Method, reflected_methods
from tests.faults.figures import expect_files
from tests.faults.product import Product
from tests.faults.report import Sheet

LIMIT_SECONDS = 60.0
WHOLE = framed(b"x" * 100)
# What is sent behind the headers; None: nothing, not even an empty frame.
BODIES: tuple[bytes | None, ...] = (None, b"", WHOLE[:3], WHOLE[:50])
HANGS, NO_STATUS = "hangs", "no status"
# What grpc and this project call a request without a message; a stream of requests may be empty.
EXPECTED = ("INVALID_ARGUMENT", "OK")


@pytest.mark.parametrize("which", ["gateway", "sequential", "parallel"])
async def test_half_closed_calls_end(which: str, product: Product, effort: Effort, sheet: Sheet) -> None:
    """END_STREAM where the message should be, or in the middle of it, on every method that reflection lists, health
    and reflection included."""
    server, row = getattr(product, which), f"half-closed calls, {which}"
    history, before = await product.history_at(server), server.reading()
    calls = [(m, body) for m in await asyncio.to_thread(reflected_methods, server.address) for body in BODIES]
    bad, num_rounds = list[str](), effort.of(2, 25)
    for _ in range(num_rounds):
        async with connected(server.address) as connection:
            numbers = [await _open(connection, method, body) for method, body in calls]
            statuses = await asyncio.gather(*(_status(connection, number) for number in numbers))
        for (method, _), status in zip(calls, statuses, strict=True):
            bad += [f"{method.path} {status}"] if status not in EXPECTED else []
            if method.is_own and status in (HANGS, NO_STATUS):
                history.note_left(method.path, was_heard=False)
            elif method.is_own:
                history.note(method.path, status)
    unit = f"calls without a status, or with a strange one: {', '.join(sorted(set(bad))) or 'none'}"
    sheet.expect_none(row, bad, f"of {num_rounds * len(calls)} {unit}")
    await expect_files(sheet, row, server, before)
    await history.counters_equal()


async def _open(connection: Connection, method: Method, body: bytes | None) -> int:
    number = connection.open_stream(call_headers(method.path), end_stream=body is None)
    await (connection.flush() if body is None else connection.send(number, body))
    return number


async def _status(connection: Connection, number: int) -> str:
    try:
        return (await connection.answer(number, LIMIT_SECONDS)).status_name
    except TimeoutError:
        return HANGS
