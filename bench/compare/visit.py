"""One stay at one load, in one way: so many callers, each of which asks again when it has its image.

It begins with one request of each caller that is not counted, so that what is counted finds the server as busy as it
stays. What is under way at the end is waited for, and counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.compare.album import Album
from bench.compare.caller import Caller
from bench.compare.cpu import CpuMeter, CpuReading
from bench.compare.dealer import Dealer
from bench.compare.energy import EnergyMeter
from bench.compare.ways import Way
from bench.load.record import Record, Recorder, Use

# A visit lasts at least so many times as long as its first requests took.
LEAST_LATENCIES = 3.0
PAUSE_AFTER_ERROR_SECONDS = 0.1


@dataclass(frozen=True)
class Meters:
    """What is read before and after a visit."""

    cpu: CpuMeter
    energy: EnergyMeter


@dataclass(frozen=True)
class Spent:
    """What a visit used; None: nobody knows."""

    seconds: float
    gateway_cpu_seconds: float | None
    backend_cpu_seconds: float | None
    client_cpu_seconds: float
    joules: float | None


@dataclass(frozen=True)
class Stay:
    """A visit that is over: what each request saw, and what it took."""

    way: Way
    concurrency: int
    record: Record
    spent: Spent


class Visitor:
    """Visits in one way, with callers that are there from the beginning; `dealers`: of what counts, and of the rest."""

    def __init__(self, way: Way, callers: Sequence[Caller], dealers: tuple[Dealer, Dealer], album: Album) -> None:
        self._way = way
        self._callers = callers
        self._counted, self._uncounted = dealers
        self._album = album

    async def visit(self, concurrency: int, seconds: float, meters: Meters) -> Stay:
        """Have `concurrency` callers ask for at least so long. Raises OSError if a process to be metered is gone."""
        callers = self._callers[:concurrency]
        since = time.monotonic()
        await self.warm_up(concurrency)
        seconds = max(seconds, LEAST_LATENCIES * (time.monotonic() - since))
        recorder = Recorder(1)
        spent = await _metered(
            lambda zero: _all(self._ask_until(caller, recorder, zero, seconds) for caller in callers),
            self._way.work.paradigm,
            meters,
        )
        use = Use(spent.client_cpu_seconds, spent.seconds, sum(recorder.fates.values()))
        return Stay(self._way, concurrency, recorder.record(use), spent)

    async def warm_up(self, concurrency: int) -> None:
        """Have each caller ask once; what comes of it does not count."""
        zero = time.monotonic()
        callers = self._callers[:concurrency]
        await _all(self._ask(caller, self._uncounted, Recorder(1), zero) for caller in callers)

    async def _ask_until(self, caller: Caller, recorder: Recorder, zero: float, seconds: float) -> None:
        while time.monotonic() - zero < seconds:
            if not await self._ask(caller, self._counted, recorder, zero, self._album):
                await asyncio.sleep(PAUSE_AFTER_ERROR_SECONDS)

    async def _ask(
        self, caller: Caller, dealer: Dealer, recorder: Recorder, zero: float, album: Album | None = None
    ) -> bool:
        label = dealer.next_label()
        image = await caller.ask(dealer.order(label), recorder, time.monotonic() - zero, zero)
        if image is not None and album is not None:
            album.add(label, image)
        return image is not None


async def _all(works: Iterable[Awaitable[object]]) -> None:
    await asyncio.gather(*works)


async def _metered(load: Callable[[float], Awaitable[None]], paradigm: str, meters: Meters) -> Spent:
    before = await meters.cpu.read(paradigm)
    joules, client, zero = meters.energy.joules(), time.process_time(), time.monotonic()
    await load(zero)
    seconds, client = time.monotonic() - zero, time.process_time() - client
    joules_after = meters.energy.joules()
    after = await meters.cpu.read(paradigm)
    return Spent(
        seconds=seconds,
        gateway_cpu_seconds=_rise(before, after, "gateway"),
        backend_cpu_seconds=_rise(before, after, "backend"),
        client_cpu_seconds=client,
        joules=None if joules is None or joules_after is None else joules_after - joules,
    )


def _rise(before: CpuReading, after: CpuReading, name: str) -> float | None:
    first, last = getattr(before, name), getattr(after, name)
    return None if first is None or last is None else last - first
