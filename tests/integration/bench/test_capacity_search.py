"""One attempt of the search for the capacity, with the load generator, against a server that answers at once."""

import asyncio

from bench.compare.capacity import open_loop
from bench.compare.observer import Observer
from bench.compare.ways import matched_pair
from tests.integration.tandem.fakes import fake_gateway


class Told(Observer):
    def __init__(self) -> None:
        self.rates: list[tuple[str, float]] = []

    def probing(self, way: str, rate_per_second: float) -> None:
        self.rates.append((way, rate_per_second))


async def test_an_attempt_meets_an_objective_or_does_not() -> None:
    observer = Told()
    async with fake_gateway() as gateway:
        pair = await matched_pair(gateway.address, "", "")
        *_, way = pair.ways()
        for slo_seconds, meets in ((5.0, True), (1e-6, False)):
            attempt = open_loop(gateway.address, pair, way, slo_seconds, asyncio.Event(), observer)
            probe = await attempt(120.0)
            assert probe.meets is meets
            assert probe.num_failed == 0
            assert probe.p99_seconds is not None
        assert observer.rates == [("parallel unary", 120.0)] * 2
        assert gateway.parallel.requests[-1].count == 1
