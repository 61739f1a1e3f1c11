"""The counters of every process are the clients' history, on a quiet day: what every other row is compared with."""

import asyncio
import random

from tandem.gan.v1 import gan_pb2
from tests.effort import Effort
from tests.faults.clients import DISCRIMINATE, GENERATE, SAMPLE, SAMPLE_STREAM, Client, images, picture
from tests.faults.history import History
from tests.faults.product import Product
from tests.faults.report import Sheet


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
