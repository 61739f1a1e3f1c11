"""A whole comparison: warm up, ask alone, stay at every load, and keep all that was seen. Computes no figure.

It can be stopped at any time, and ends by itself when a server is gone; what was seen until then is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from tandem.measure.generator.generator import BROKEN_OFF, Generator
from tandem.measure.generator.requests.replies import images_by_number
from tandem.measure.generator.run import Outcome
from tandem.measure.generator.schedule.orders import Orders
from tandem.measure.generator.trials import Trials
from tandem.measure.results.comparison import Settings
from tandem.measure.results.record import Fate
from tandem.measure.statistics.interleaving import turns
from tandem.measure.studies.comparison.album import Album
from tandem.measure.studies.comparison.foreign import Foreign
from tandem.measure.studies.comparison.loads import FOREIGN, UNCOUNTED, in_turn, once_each, steady
from tandem.measure.studies.comparison.observer import Observer
from tandem.measure.studies.comparison.rounds import Round, rounds_of, side_by_side
from tandem.measure.studies.comparison.stays import Meters, Stay, stay_of
from tandem.measure.studies.comparison.ways import Way

WARM_UP_ROUNDS = 5
# A stay lasts at least so many times as long as the first requests took.
LEAST_LATENCIES = 3.0
FAILED_ROUNDS_IN_A_ROW = 3
BLOCK_SECONDS = 0.25
_SHORTEST_SECONDS = 1e-6
SAMPLES_PER_CLASS = 10
# Rounds are added until quality has its images, but at most so many times as many as there were to be.
MOST_EXTRA_ROUNDS = 4


@dataclass
class Findings:
    """All that was seen. `stays` in the order of their rounds, which are numbered from 0; `albums` by drawer."""

    started_at: datetime
    albums: dict[str, Album]
    rounds: list[Round] = field(default_factory=list)
    stays: list[tuple[int, Stay]] = field(default_factory=list)
    trials: Trials = field(default_factory=Trials)
    stop_reason: str = ""
    seconds: float = 0.0
    idle_watts: float | None = None


class Gone(Exception):
    """Expected: nothing more is to be had, or somebody wants no more; the text says why."""


async def conduct(
    source: Generator,
    ways: Sequence[Way],
    settings: Settings,
    meters: Meters,
    observer: Observer,
    foreign: Foreign | None = None,
) -> Findings:
    """Compare these ways, controls among them; the generator's `stop` breaks it off. Raises ChildProcessError."""
    findings = Findings(datetime.now(UTC), _albums(ways, settings))
    since = time.monotonic()
    findings.idle_watts = await asyncio.to_thread(meters.energy.idle_watts)
    try:
        await _Work(source, ways, settings, meters, findings, observer, foreign).run()
    except Gone as error:
        findings.stop_reason = str(error)
    except OSError as error:  # a process to be metered is gone, or one of the generator
        gone = "" if isinstance(error, ChildProcessError) else "a metrics page is gone: "
        findings.stop_reason = f"{gone}{getattr(error, 'reason', error)}"
    findings.seconds = time.monotonic() - since
    return findings


class _Work:
    """The steps, and what they share."""

    def __init__(
        self,
        source: Generator,
        ways: Sequence[Way],
        settings: Settings,
        meters: Meters,
        findings: Findings,
        observer: Observer,
        foreign: Foreign | None,
    ) -> None:
        self._source = source
        self._foreign = foreign
        self._foreign_ways = foreign.ways() if foreign else ()
        self._num_classes = ways[0].model.num_classes
        self._ways = tuple(ways)
        self._settings = settings
        self._meters = meters
        self._findings = findings
        self._observer = observer
        self._random = np.random.default_rng(settings.seed)

    async def run(self) -> None:
        warm_up = in_turn(self._ways, WARM_UP_ROUNDS, self._settings.seed, UNCOUNTED)
        self._check(await self._findings.trials.once(self._source, warm_up))
        if self._foreign:
            warm_up = in_turn(self._foreign_ways, WARM_UP_ROUNDS, self._settings.seed, UNCOUNTED)
            self._check(await self._findings.trials.once(self._foreign.source, warm_up))
        await self._alone()
        await self._curve()

    async def _alone(self) -> None:
        """Ask in rounds; one after another, if they take long, so that it is seen how far this is."""
        left, count, failed_in_a_row = self._settings.num_pairs, 1, 0
        while left:
            scenario = in_turn(self._ways, count, self._settings.seed)
            outcome = await self._findings.trials.run(self._source, "alone", scenario)
            if outcome.document.audit.valid or not outcome.document.is_partial:
                for done in await self._beside(rounds_of(outcome, self._ways, self._num_classes)):
                    self._keep(done)
                    failed_in_a_row = 0 if done.is_complete else failed_in_a_row + 1
            self._check(outcome)
            if failed_in_a_row >= FAILED_ROUNDS_IN_A_ROW:
                raise Gone(f"{failed_in_a_row} rounds in a row had requests that failed")
            left -= count
            num_rounds = int(BLOCK_SECONDS * count / max(outcome.document.window.seconds, _SHORTEST_SECONDS))
            count = min(left, len(self._ways), max(1, num_rounds))

    async def _beside(self, rounds: list[Round]) -> list[Round]:
        """Ask the foreign server as often, right after ours; return the rounds with what it answered."""
        if self._foreign is None or not rounds:
            return rounds
        scenario = in_turn(self._foreign_ways, len(rounds), self._settings.seed, FOREIGN)
        outcome = await self._findings.trials.run(self._foreign.source, "foreign, alone", scenario)
        self._check(outcome)
        return side_by_side(rounds, rounds_of(outcome, self._foreign_ways, self._num_classes))

    def _keep(self, done: Round) -> None:
        self._findings.rounds.append(done)
        for way in self._ways:
            reply = done.replies[way.name]
            if reply.image is not None and not way.is_control:
                self._findings.albums[way.drawer].add(done.label, reply.image)
        self._observer.round_done(done)

    async def _curve(self) -> None:
        settings = self._settings
        if not settings.concurrencies:
            return
        ways = (*self._ways, *self._foreign_ways)
        orders = {number: turns(ways, self._random) for number in settings.concurrencies}
        for number in range(settings.num_rounds):
            for concurrency in self._random.permutation(settings.concurrencies).tolist():
                await self._visit_all(number, concurrency, next(orders[concurrency]))
        most = max(settings.concurrencies)
        for number in range(settings.num_rounds, settings.num_rounds * (1 + MOST_EXTRA_ROUNDS)):
            if min(album.num_balanced for album in self._findings.albums.values()) >= settings.quality_images:
                return
            await self._visit_all(number, most, next(orders[most]))

    async def _visit_all(self, number: int, concurrency: int, order: Sequence[Way]) -> None:
        """Visit one load in each way; a round that is broken off is left out, so that all ways have the same rounds."""
        stays: list[tuple[int, Stay]] = []
        for way in order:
            self._observer.visiting(number, concurrency, way)
            outcome = await self._visit(concurrency, way)
            self._check(outcome)
            self._add_images(way, outcome)
            stay = stay_of(way, concurrency, outcome)
            stays.append((number, stay))
            self._observer.visited(stay)
            if not np.any(stay.record.requests["fate"] == Fate.OK):
                self._findings.stays += stays
                raise Gone(f"{way.name}: not one of {len(stay.record.requests)} requests got its answer")
        self._findings.stays += stays

    async def _visit(self, concurrency: int, way: Way) -> Outcome:
        """Stay at one load. Each caller has asked once before, so that the server is as busy as it stays."""
        trials, settings = self._findings.trials, self._settings
        source = self._foreign.source if self._foreign and way.is_foreign else self._source
        first = await trials.once(source, once_each(way, concurrency, settings.seed))
        self._check(first)
        seconds = max(settings.visit_seconds, LEAST_LATENCIES * first.document.window.seconds)
        return await trials.run(
            source,
            f"{way.name}, {concurrency} at a time",
            steady(way, concurrency, seconds, settings.seed),
            meter=lambda: self._meters.read(way),
        )

    def _add_images(self, way: Way, outcome: Outcome) -> None:
        if way.is_control or way.is_foreign:
            return
        scenario = outcome.document.scenario
        orders = Orders(scenario)
        for number, image in images_by_number(outcome.record, [way.work.rpc]).items():
            label = int(orders[number - scenario.first_number].place * self._num_classes)
            self._findings.albums[way.drawer].add(label, image)

    def _check(self, outcome: Outcome) -> None:
        """Raises Gone if a load did not go to its end."""
        if self._source.stop.is_set():
            raise Gone(BROKEN_OFF)
        if outcome.document.is_partial:
            raise Gone(outcome.document.problems[0])


def _albums(ways: Sequence[Way], settings: Settings) -> dict[str, Album]:
    num_classes = ways[0].model.num_classes
    most_per_class = max(SAMPLES_PER_CLASS, settings.quality_images // num_classes)
    return {way.drawer: Album(num_classes, most_per_class) for way in ways}
