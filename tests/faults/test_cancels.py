"""Thousands of calls cancelled at random moments: everything is let go of, and memory stays as it was."""

import random

import pytest

from tests.effort import Effort
from tests.faults.clients import Client, Ended, closed_loop
from tests.faults.history import History
from tests.faults.loads import PARADIGMS, Paradigm
from tests.faults.product import Product
from tests.faults.readings import slope
from tests.faults.report import Sheet

NUM_CALLERS = 32
MAX_BYTES_A_CANCEL = 500.0


@pytest.mark.parametrize("paradigm", PARADIGMS)
async def test_cancels(product: Product, history: History, effort: Effort, sheet: Sheet, paradigm: Paradigm) -> None:
    """Unary calls and streams of 32 callers, each cancelled at a random moment of its life."""
    chance, num_calls, num_chunks = random.Random(7), effort.of(300, 30_000), effort.of(2, 10)
    kinds = (paradigm.stream, paradigm.unary)

    async def call(number: int) -> Ended:
        # From before the call has left to after most have ended, each scale as often as another.
        after = 10 ** chance.uniform(-4.0, 0.0)
        return await kinds[number % 2].call(client, number, cancel_after_seconds=after)

    rss: list[list[float]] = []
    async with Client(product.address, history) as client:
        for _ in range(num_chunks):
            await closed_loop(call, num_callers=NUM_CALLERS, max_calls=num_calls // num_chunks, max_seconds=60.0)
            rss.append([float(server.reading().rss_bytes) for server in product.servers])
        after = [await paradigm.unary.call(client, number) for number in range(8)]
    await history.counters_equal()
    cancelled = (history.left + history.unheard).total()
    row, held = f"cancels at random moments, {paradigm.name}", f"after {cancelled} cancels"
    sheet.expect(f"{row}: blocks and queues held", 0, held, bar="0", passed=cancelled > num_calls / 4)
    sheet.expect_none(f"{row}: calls lost after them", [call for call in after if not call.is_ok], "of 8 calls")
    later = rss[num_chunks // 2 :] if effort.is_full else []
    for server, series in zip(product.servers, zip(*later, strict=True), strict=False):
        growth = slope([num_calls / num_chunks * i for i in range(len(series))], series)
        sheet.expect_at_most(f"{row}: memory of the {server.name} process", growth, MAX_BYTES_A_CANCEL, "bytes a call")
