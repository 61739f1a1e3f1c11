"""Thousands of calls cancelled at random moments: everything is let go of, and memory stays as it was."""

import random
from collections.abc import Sequence

import pytest

from tests.effort import Effort
from tests.faults.clients import Client, Ended, closed_loop
from tests.faults.history import History
from tests.faults.loads import PARADIGMS, Paradigm
from tests.faults.product import Product
from tests.faults.readings import slope
from tests.faults.report import Record

NUM_CALLERS, NUM_CHUNKS = 32, 10
MAX_BYTES_A_CANCEL = 500.0


@pytest.mark.parametrize("paradigm", PARADIGMS)
async def test_cancels(product: Product, history: History, effort: Effort, record: Record, paradigm: Paradigm) -> None:
    """Unary calls and streams of 32 callers, each cancelled at a random moment of its life."""
    chance, num_calls = random.Random(7), effort.of(300, 30_000)
    kinds = (paradigm.stream, paradigm.unary)

    async def call(number: int) -> Ended:
        # From before the call has left to after most have ended, each scale as often as another.
        after = 10 ** chance.uniform(-4.0, 0.0)
        return await kinds[number % 2].call(client, number, cancel_after_seconds=after)

    rss: list[list[int]] = []
    async with Client(product.address, history) as client:
        for _ in range(NUM_CHUNKS):
            await closed_loop(call, num_callers=NUM_CALLERS, max_calls=num_calls // NUM_CHUNKS, max_seconds=60.0)
            rss.append([server.reading().rss_bytes for server in product.servers])
        after = [await paradigm.unary.call(client, number) for number in range(8)]
    await history.counters_equal()
    cancelled = (history.left + history.unheard).total()
    row = f"cancels at random moments, {paradigm.name}"
    record(
        row=f"{row}: blocks and queues held",
        figure=0,
        unit=f"after {cancelled} cancels",
        bar="0",
        passed=cancelled > num_calls / 4,
    )
    lost = [each for each in after if not each.is_ok]
    record(row=f"{row}: calls lost after them", figure=len(lost), unit="of 8 calls", bar="0", passed=not lost)
    if effort.is_full:
        record_memory(record, row, rss, [server.name for server in product.servers], num_calls / NUM_CHUNKS)


def record_memory(
    record: Record, row: str, rss: Sequence[Sequence[int]], names: Sequence[str], calls_a_reading: float
) -> None:
    half = len(rss) // 2
    for place, name in enumerate(names):
        series = [float(reading[place]) for reading in rss[half:]]
        growth = slope([calls_a_reading * i for i in range(len(series))], series)
        record(
            row=f"{row}: memory of the {name} process",
            figure=growth,
            unit="bytes a call",
            bar=f"<= {MAX_BYTES_A_CANCEL:g}",
            passed=growth <= MAX_BYTES_A_CANCEL,
        )
