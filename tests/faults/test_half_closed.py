"""Calls that are half-closed before their message is whole, on every method that a server lists."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.effort import Effort
from tests.faults.attacks.connection import connected
from tests.faults.attacks.half_closed import HANGS, NO_STATUS, Ending, half_close
from tests.faults.attacks.reflected import Method, reflected_methods
from tests.faults.figures import expect_files
from tests.faults.history import History
from tests.faults.product import Product
from tests.faults.report import Sheet

LIMIT_SECONDS = 60.0
# What grpc and this project call a request without a message; a stream of requests may be empty.
EXPECTED = {3: "INVALID_ARGUMENT", 0: "OK"}


@pytest.mark.parametrize("which", ["gateway", "sequential", "parallel"])
async def test_half_closed_calls_end(which: str, product: Product, effort: Effort, sheet: Sheet) -> None:
    """END_STREAM where the message should be, or in the middle of it, on every method that reflection lists, health
    and reflection included."""
    server = getattr(product, which)
    history = await product.history_at(server)
    methods = await asyncio.to_thread(reflected_methods, server.address)
    before = server.reading()
    endings = []
    for _ in range(effort.of(2, 25)):
        async with connected(server.address) as connection:
            endings += await half_close(connection, [method.path for method in methods], LIMIT_SECONDS)
        _note(endings[-4 * len(methods) :], methods, history)
    bad = [ending for ending in endings if ending.status not in EXPECTED]
    kinds = ", ".join(sorted({f"{ending.path} {ending.status}" for ending in bad})) or "none"
    unit = f"of {len(endings)} calls without a status, or with a strange one: {kinds}"
    sheet.expect_none(f"half-closed calls, {which}", bad, unit)
    await expect_files(sheet, f"half-closed calls, {which}", server, before)
    await history.counters_equal()


def _note(endings: Sequence[Ending], methods: Sequence[Method], history: History) -> None:
    counted = {method.path for method in methods if method.is_own}
    for ending in endings:
        if ending.path in counted and ending.status in (HANGS, NO_STATUS):
            history.note_left(ending.path, was_heard=False)
        elif ending.path in counted:
            history.note(ending.path, EXPECTED.get(int(ending.status), str(ending.status)))
