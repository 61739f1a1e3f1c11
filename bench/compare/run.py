"""A whole comparison: connect, warm up, ask alone, visit every load, and keep all that was seen. Computes no figure.

It can be stopped at any time, and ends by itself when a server is gone; what was seen until then is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import grpc
import numpy as np

from bench.compare.album import Album
from bench.compare.alone import Round, one_round
from bench.compare.caller import Caller
from bench.compare.dealer import Dealer
from bench.compare.document import Settings
from bench.compare.interleaving import turns
from bench.compare.observer import Observer
from bench.compare.visit import Meters, Stay, Visitor
from bench.compare.ways import Pair, Way
from bench.load.record import Fate
from tandem.client.channels import open_async_channel
from tandem.client.credentials import Credentials

BROKEN_OFF = "broken off by hand"
NUM_CONNECTIONS = 4
CONNECT_SECONDS = 10.0
WARM_UP_REQUESTS = 5
FAILED_ROUNDS_IN_A_ROW = 3
SAMPLES_PER_CLASS = 10
# Rounds are added until quality has its images, but at most so many times as many as there were to be.
MOST_EXTRA_ROUNDS = 4
_PARADIGMS = ("sequential", "parallel")
# Records pile up and hold no cycles; the collector would walk through them in the middle of a measurement.
_GC_THRESHOLD = 200_000


@dataclass
class Findings:
    """All that was seen. `stays` in the order of their rounds, which are numbered from 0; `albums` by paradigm."""

    started_at: datetime
    albums: dict[str, Album]
    rounds: list[Round] = field(default_factory=list)
    stays: list[tuple[int, Stay]] = field(default_factory=list)
    stop_reason: str = ""
    seconds: float = 0.0
    idle_watts: float | None = None


class Gone(Exception):
    """Nothing more is to be had; the text says why."""


class BrokenOff(Exception):
    """Somebody wants no more."""


async def conduct(
    address: str, pair: Pair, settings: Settings, meters: Meters, observer: Observer, stop: asyncio.Event
) -> Findings:
    """Carry a comparison out; `stop` breaks it off. Raises TimeoutError if there is no server at all."""
    findings = Findings(datetime.now(UTC), _albums(pair, settings))
    since = time.monotonic()
    findings.idle_watts = await asyncio.to_thread(meters.energy.idle_watts)
    credentials = Credentials.from_environment()
    async with _channels(address, credentials) as channels:
        work = _Work(pair, settings, (channels, credentials), findings, observer)
        with _quiet_collector():
            try:
                await _until(stop, work.run(meters))
            except (Gone, BrokenOff) as error:
                findings.stop_reason = str(error)
            except OSError as error:  # a process to be metered is gone
                findings.stop_reason = f"a metrics page is gone: {getattr(error, 'reason', error)}"
    findings.seconds = time.monotonic() - since
    return findings


class _Work:
    """The steps, and what they share."""

    def __init__(
        self,
        pair: Pair,
        settings: Settings,
        connections: tuple[Sequence[grpc.aio.Channel], Credentials],
        findings: Findings,
        observer: Observer,
    ) -> None:
        channels, credentials = connections
        self._ways = pair.ways()
        self._settings = settings
        self._findings = findings
        self._observer = observer
        self._random = np.random.default_rng(settings.seed)
        self._dealers = {name: Dealer(pair.sequential.num_classes, self._random) for name in _PARADIGMS}
        self._labels = Dealer(pair.sequential.num_classes, self._random)
        self._callers = {
            way.name: [
                Caller(way, channels[i % len(channels)], credentials.metadata)
                for i in range(max(1, *settings.concurrencies, 1))
            ]
            for way in self._ways
        }
        uncounted = Dealer(pair.sequential.num_classes, self._random)
        self._visitors = {
            way.name: Visitor(
                way,
                self._callers[way.name],
                (self._dealers[way.work.paradigm], uncounted),
                findings.albums[way.work.paradigm],
            )
            for way in self._ways
        }

    async def run(self, meters: Meters) -> None:
        for way in self._ways:
            for _ in range(WARM_UP_REQUESTS):
                await self._visitors[way.name].warm_up(1)
        await self._alone()
        await self._curve(meters)

    async def _alone(self) -> None:
        first = {name: callers[0] for name, callers in self._callers.items()}
        failed_in_a_row = 0
        for order, _ in zip(turns(self._ways, self._random), range(self._settings.num_pairs), strict=False):
            label = self._labels.next_label()
            done = await one_round(label, order, first, self._dealers, self._findings.albums)
            self._findings.rounds.append(done)
            self._observer.round_done(done)
            failed_in_a_row = 0 if done.is_complete else failed_in_a_row + 1
            if failed_in_a_row == FAILED_ROUNDS_IN_A_ROW:
                raise Gone(f"{failed_in_a_row} rounds in a row had requests that failed")

    async def _curve(self, meters: Meters) -> None:
        settings = self._settings
        if not settings.concurrencies:
            return
        orders = {number: turns(self._ways, self._random) for number in settings.concurrencies}
        for number in range(settings.num_rounds):
            for concurrency in self._random.permutation(settings.concurrencies).tolist():
                await self._visit_all(number, concurrency, next(orders[concurrency]), meters)
        most = max(settings.concurrencies)
        for number in range(settings.num_rounds, settings.num_rounds * (1 + MOST_EXTRA_ROUNDS)):
            if min(album.num_balanced for album in self._findings.albums.values()) >= settings.quality_images:
                return
            await self._visit_all(number, most, next(orders[most]), meters)

    async def _visit_all(self, number: int, concurrency: int, order: Sequence[Way], meters: Meters) -> None:
        """Visit one load in each way; a round that is broken off is left out, so that all ways have the same rounds."""
        stays: list[tuple[int, Stay]] = []
        for way in order:
            self._observer.visiting(number, concurrency, way)
            stay = await self._visitors[way.name].visit(concurrency, self._settings.visit_seconds, meters)
            stays.append((number, stay))
            self._observer.visited(stay)
            if not np.any(stay.record.requests["fate"] == Fate.OK):
                self._findings.stays += stays
                raise Gone(f"{way.name}: not one of {len(stay.record.requests)} requests got its image")
        self._findings.stays += stays


async def _until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Do the work; `stop` cuts it short, calls under way included. Raises BrokenOff then."""
    doing, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((doing, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise BrokenOff(BROKEN_OFF)
        await doing
    finally:
        for task in (doing, stopping):
            task.cancel()
        await asyncio.gather(doing, stopping, return_exceptions=True)


def _albums(pair: Pair, settings: Settings) -> dict[str, Album]:
    num_classes = pair.sequential.num_classes
    most_per_class = max(SAMPLES_PER_CLASS, settings.quality_images // num_classes)
    return {name: Album(num_classes, most_per_class) for name in _PARADIGMS}


@contextlib.asynccontextmanager
async def _channels(address: str, credentials: Credentials) -> AsyncIterator[list[grpc.aio.Channel]]:
    channels = [open_async_channel(address, credentials) for _ in range(NUM_CONNECTIONS)]
    try:
        await _ready(address, channels)
        yield channels
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


async def _ready(address: str, channels: Sequence[grpc.aio.Channel]) -> None:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.gather(*(channel.channel_ready() for channel in channels))
    except TimeoutError:
        raise TimeoutError(f"no connection to {address} within {CONNECT_SECONDS:g} s") from None


@contextlib.contextmanager
def _quiet_collector() -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
