"""The counters of every process are the clients' history, and nothing is held: on a quiet day, and after cancels."""

import asyncio
import random

import pytest

from tandem.gan.v1 import gan_pb2
from tests.effort import Effort
from tests.faults.clients import (
    DISCRIMINATE,
    GENERATE,
    SAMPLE,
    SAMPLE_STREAM,
    Client,
    Ended,
    closed_loop,
    images,
    picture,
)
from tests.faults.history import History
from tests.faults.loads import PARADIGMS, Paradigm
from tests.faults.product import Product
from tests.faults.readings import slope
from tests.faults.report import Sheet

NUM_CALLERS = 32
MAX_BYTES_A_CANCEL = 500.0


async def test_counters_are_the_history(product: Product, history: History, effort: Effort, sheet: Sheet) -> None:
    """Good and bad requests of both paradigms, deadlines and cancels at once; then every counter is compared."""
    chance, count = random.Random(1), effort.of(40, 400)
    async with Client(product.address, history) as client:
        for _ in range(count // 40):
            await asyncio.gather(
                *(client.call(GENERATE, picture(i)) for i in range(8)),
                *(client.call(GENERATE, picture(i, top_p=2.0)) for i in range(4)),
                *(client.call(GENERATE, picture(i), cancel_after_messages=2) for i in range(6)),
                *(client.call(GENERATE, picture(i), timeout_seconds=chance.random() / 10) for i in range(4)),
                *(client.call(SAMPLE, images(1, i)) for i in range(8)),
                *(client.call(SAMPLE, images(0)) for _ in range(4)),
                *(client.call(SAMPLE, images(64), cancel_after_seconds=chance.random() / 20) for _ in range(4)),
                client.call(SAMPLE_STREAM, gan_pb2.SampleStreamRequest(sample=images(200))),
                client.call(DISCRIMINATE, gan_pb2.DiscriminateRequest()),
            )
    await history.counters_equal()
    sheet.expect("counters", history.num_calls, "calls", bar="all counted, by code", passed=True)


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
    # How many calls are still there to be cancelled depends on the machine's speed.
    in_time = cancelled > num_calls / 4
    sheet.expect(f"{row}: blocks and queues held", 0, held, bar="0", passed=cancelled > 0, in_time=in_time)
    sheet.expect_none(f"{row}: calls lost after them", [call for call in after if not call.is_ok], "of 8 calls")
    later = rss[num_chunks // 2 :] if effort.is_full else []
    for server, series in zip(product.servers, zip(*later, strict=True), strict=False):
        growth = slope([num_calls / num_chunks * i for i in range(len(series))], series)
        sheet.expect_at_most(f"{row}: memory of the {server.name} process", growth, MAX_BYTES_A_CANCEL, "bytes a call")
