"""A hog of 200 streams on one connection beside ten clients that ask for one thing at a time."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from itertools import chain

import pytest

from tests.effort import Effort
from tests.faults.clients import Client, Ended, closed_loop, quantile
from tests.faults.figures import expect_answers
from tests.faults.history import History
from tests.faults.loads import PARALLEL, SEQUENTIAL, Paradigm
from tests.faults.neighbour import Neighbour
from tests.faults.product import Product
from tests.faults.report import Sheet
from tests.faults.scrape import scrape

NUM_STREAMS, NUM_CLIENTS = 200, 10
MAX_RATIO = 3.0
MAX_SECONDS = 120.0  # the hog goes on until the light clients have done
KNOWN = "streams of whole images keep the event loop busy, whoever's turn it is; found: 14 to 21 times"


async def light_calls(product: Product, history: History, paradigm: Paradigm, num_calls: int) -> list[Ended]:
    """Have each light client make its streams one after another; return how they ended."""
    async with AsyncExitStack() as connections:
        clients = [await connections.enter_async_context(Client(product.address, history)) for _ in range(NUM_CLIENTS)]
        bounds = {"num_callers": 1, "max_calls": num_calls, "max_seconds": MAX_SECONDS}
        loops = (closed_loop(partial(paradigm.light.call, client), **bounds) for client in clients)
        return list(chain.from_iterable(await asyncio.gather(*loops)))


def p99_first(ended: list[Ended]) -> float:
    """Return the 99th percentile of the seconds to the first message, of those that had one."""
    return quantile([call.first_seconds for call in ended if call.first_seconds is not None], 0.99)


async def open_requests(product: Product, paradigm: Paradigm) -> float:
    return (await scrape(product.gateway.metrics_url)).total("tandem_requests_in_flight", paradigm=paradigm.name)


@pytest.mark.parametrize(
    "paradigm",
    [pytest.param(SEQUENTIAL, id="sequential"), pytest.param(PARALLEL, id="parallel", marks=pytest.mark.faults)],
)
async def test_hog(
    product: Product, history: History, neighbour: Neighbour, effort: Effort, sheet: Sheet, paradigm: Paradigm
) -> None:
    """One connection keeps 200 streams open; ten light clients, a connection each, ask for one stream at a time."""
    num_calls = effort.of(5, 10)
    alone = await light_calls(product, history, paradigm, num_calls)
    async with neighbour.load("hog", product.address, paradigm.name, NUM_STREAMS, MAX_SECONDS, history=history):
        async with asyncio.timeout(60):
            while await open_requests(product, paradigm) < NUM_STREAMS / 2:
                await asyncio.sleep(0.05)
        beside = await light_calls(product, history, paradigm, num_calls)
    await history.counters_equal()
    row, ratio = f"hog of {NUM_STREAMS} {paradigm.name} streams", p99_first(beside) / p99_first(alone)
    lost = [call.failure for call in beside if not call.is_ok]
    expect_answers(sheet, f"{row}: light clients' calls lost", lost, len(beside))
    unit, known = f"times {p99_first(alone) * 1000:.0f} ms without it", KNOWN if paradigm is PARALLEL else ""
    sheet.expect_in_time(f"{row}: light clients' p99 to the first output", ratio, MAX_RATIO, unit, known=known)
