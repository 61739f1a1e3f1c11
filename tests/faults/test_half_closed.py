"""Calls that are half-closed before their message is whole, on every method that a server lists."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.effort import Effort
from tests.faults.attacks.connection import connected
from tests.faults.attacks.half_closed import HANGS, NO_STATUS, Ending, half_close
from tests.faults.attacks.reflected import Method, reflected_methods
from tests.faults.figures import record_files
from tests.faults.history import History
from tests.faults.product import Product
from tests.faults.report import Record

LIMIT_SECONDS = 60.0
# What grpc and this project call a request without a message; a stream of requests may be empty.
EXPECTED = {3: "INVALID_ARGUMENT", 0: "OK"}


@pytest.mark.parametrize("which", ["gateway", "sequential", "parallel"])
async def test_half_closed_calls_end(which: str, product: Product, effort: Effort, record: Record) -> None:
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
    bad = [each for each in endings if each.status not in EXPECTED]
    record(
        row=f"half-closed calls, {which}",
        figure=len(bad),
        unit=f"of {len(endings)} calls without a status, or with a strange one: {_worst(bad)}",
        bar="0",
        passed=not bad,
    )
    await record_files(record, f"half-closed calls, {which}", server, before)
    await history.counters_equal()


def _worst(bad: Sequence[Ending]) -> str:
    kinds = sorted({f"{each.path} {each.status}" for each in bad})
    return ", ".join(kinds) or "none"


def _note(endings: Sequence[Ending], methods: Sequence[Method], history: History) -> None:
    counted = {method.path for method in methods if method.is_own}
    for each in endings:
        if each.path not in counted:
            continue
        if each.status in (HANGS, NO_STATUS):
            history.note_left(each.path, was_heard=False)
        else:
            history.note(each.path, EXPECTED.get(int(each.status), str(each.status)))
