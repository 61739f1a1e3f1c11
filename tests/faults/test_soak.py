"""Ten minutes of everything at once: what the processes hold does not grow with what they have done."""

import asyncio
import random
import time

import pytest

from tests.faults.clients import GENERATE, SAMPLE, SAMPLE_STREAM, Client, Ended, closed_loop, images, picture
from tests.faults.history import History
from tests.faults.loads import MAX_CALLS, SEQUENTIAL, Kind, streamed
from tests.faults.product import Product
from tests.faults.readings import Reading, slope
from tests.faults.report import Sheet

SOAK_SECONDS = 600.0
READ_EVERY_SECONDS = 2.0
NUM_CALLERS = 12
# 1 MB in 10^5 requests.
MAX_BYTES_A_CALL = 1e6 / 1e5
MAX_DRIFT = 2.0

# Small calls, so that there are many; good ones, refused ones, streams, and those that their client cancels.
SMALL = Kind(SAMPLE, lambda number: images(1, number))
REFUSED = Kind(SAMPLE, lambda number: images(0, number))
SHORT = Kind(GENERATE, lambda number: picture(number, max_tokens=4))
STREAMED = Kind(SAMPLE_STREAM, lambda number: streamed(number, 16))
MAY_CANCEL = (SMALL,) * 6 + (SHORT,) * 4 + (SEQUENTIAL.unary, STREAMED)
# Calls that are refused are not cancelled too, so that the history knows how each was counted.
REFUSED_SHARE, CANCELLED_SHARE = 0.05, 0.05


class Readings:
    """What each process held, against the calls that had ended by then."""

    def __init__(self, product: Product) -> None:
        self._servers = product.servers
        self.num_calls: list[float] = []
        self.of: dict[str, list[Reading]] = {server.name: [] for server in product.servers}

    async def keep(self, history: History) -> None:
        """Read until cancelled."""
        while True:
            self.num_calls.append(history.num_calls)
            for server in self._servers:
                self.of[server.name].append(server.reading())
            await asyncio.sleep(READ_EVERY_SECONDS)

    def growth(self, name: str, what: str) -> float:
        """Return what a process holds more for each call: the slope of the second half."""
        half = len(self.num_calls) // 2
        return slope(self.num_calls[half:], [float(getattr(reading, what)) for reading in self.of[name][half:]])

    def __str__(self) -> str:
        """Return the megabytes of each process by calls, for whoever looks for a leak."""
        lines = [f"calls {[int(count) for count in self.num_calls[::5]]}"]
        lines += [
            f"{name} MB {[round(reading.rss_bytes / 1e6, 2) for reading in its[::5]]}" for name, its in self.of.items()
        ]
        return "\n".join(lines)

    @property
    def num_calls_fitted(self) -> float:
        return self.num_calls[-1] - self.num_calls[len(self.num_calls) // 2]


async def soak(product: Product, history: History) -> Readings:
    """Load the product with 12 callers for ten minutes and read its processes meanwhile."""
    chance, readings = random.Random(11), Readings(product)
    reading = asyncio.create_task(readings.keep(history))
    until = time.monotonic() + SOAK_SECONDS
    while time.monotonic() < until:
        # New connections each minute, as they are in life.
        async with Client(product.address, history) as client:

            async def call(number: int, client: Client = client) -> Ended:
                if chance.random() < REFUSED_SHARE:
                    return await REFUSED.call(client, number)
                after = chance.random() / 20 if chance.random() < CANCELLED_SHARE else None
                return await chance.choice(MAY_CANCEL).call(client, number, cancel_after_seconds=after)

            seconds = min(60.0, until - time.monotonic())
            await closed_loop(call, num_callers=NUM_CALLERS, max_calls=MAX_CALLS, max_seconds=seconds)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return readings


@pytest.mark.faults
@pytest.mark.timeout(2 * SOAK_SECONDS)
async def test_soak(product: Product, history: History, sheet: Sheet) -> None:
    """Ten minutes of 12 callers: unary and streamed, both paradigms, refused and cancelled calls; slopes of the second
    half.
    """
    readings = await soak(product, history)
    print(readings)
    await history.counters_equal()
    for server in product.servers:
        row = f"soak, {server.name} process"
        growth, fitted = readings.growth(server.name, "rss_bytes"), readings.num_calls_fitted
        sheet.expect_at_most(f"{row}: memory", growth, MAX_BYTES_A_CALL, f"bytes a call over {fitted:.0f} calls")
        for what, word in (("num_fds", "files"), ("num_threads", "threads")):
            drift = readings.growth(server.name, what) * fitted
            sheet.expect_at_most(f"{row}: {word}", drift, MAX_DRIFT, "more by the fit")
