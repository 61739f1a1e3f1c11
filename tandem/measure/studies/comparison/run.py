"""A whole comparison: warm up, try every load, and keep all that was seen. Computes no figure.

It can be stopped at any time, and ends by itself when a server is gone; what was seen until then is kept.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import BrokenOff, Generator
from tandem.measure.generator.requests.replies import Pixels, images_by_number
from tandem.measure.generator.run import RunResult
from tandem.measure.generator.schedule.request_sequence import RequestSequence
from tandem.measure.meters.cpu import CpuMeter
from tandem.measure.results.comparison import ALONE, JudgedImages, Judgement, Settings
from tandem.measure.scenario import Scenario
from tandem.measure.statistics.interleaving import turns
from tandem.measure.studies.comparison.album import Album
from tandem.measure.studies.comparison.beside import Beside
from tandem.measure.studies.comparison.foreign import Foreign
from tandem.measure.studies.comparison.modes import DEADLINE_SECONDS, Mode
from tandem.measure.studies.comparison.observer import Observer
from tandem.measure.studies.comparison.trials import Trial, read_cpu, trial_of

WARM_UP_REQUESTS = 5
# A trial lasts at least so many times as long as the first requests took.
LEAST_LATENCIES = 3.0
# Of texts, which take many times as long as an image.
LEAST_TEXT_LATENCIES = 1.0
SAMPLES_PER_CLASS = 10
# Rounds are added until quality has its images, but at most so many times as many as there were to be.
MOST_EXTRA_ROUNDS = 4


# What a load draws from: the classes and seeds of each are its own.
SEQUENTIAL, PARALLEL, UNCOUNTED, FOREIGN = range(1, 5)
_DRAIN_SECONDS = DEADLINE_SECONDS + 5.0
NOT_ASKED = "it was not asked for"


def unjudged(reason: str) -> Judgement:
    """Return why the images were not judged."""
    return Judgement(reason=reason, data_set=None, num_test_images=None, judge=None, judge_sha256=None)


@dataclass
class Findings:
    """All that was seen. `trials` in the order of their rounds, which are numbered from 0; `albums` and `quality` by
    drawer.
    """

    started_at: datetime
    meter: CpuMeter
    albums: dict[str, Album]
    trials: list[tuple[int, Trial]] = field(default_factory=list)
    audited_runs: AuditedRuns = field(default_factory=AuditedRuns)
    stop_reason: str = ""
    seconds: float = 0.0
    foreign: Foreign | None = None
    beside: Beside | None = None
    quality: dict[str, JudgedImages] = field(default_factory=dict)
    judgement: Judgement = field(default_factory=lambda: unjudged(NOT_ASKED))


async def conduct(
    source: Generator,
    modes: Sequence[Mode],
    settings: Settings,
    meter: CpuMeter,
    observer: Observer,
    foreign: Foreign | None = None,
    beside: Beside | None = None,
) -> Findings:
    """Compare these modes, controls among them; the generator's `stop` breaks it off. Raises ChildProcessError."""
    classes = {mode.drawer: mode.model.num_classes or 1 for mode in modes}
    albums = {
        drawer: Album(count, max(SAMPLES_PER_CLASS, settings.quality_images // count))
        for drawer, count in classes.items()
    }
    findings = Findings(datetime.now(UTC), meter, albums, foreign=foreign, beside=beside)
    since = time.monotonic()
    try:
        await _Work(source, tuple(modes), settings, findings, observer).run()
    except BrokenOff as error:
        findings.stop_reason = str(error)
    except OSError as error:  # a process to be metered is gone, or one of the generator
        gone = "" if isinstance(error, ChildProcessError) else "a metrics page is gone: "
        findings.stop_reason = f"{gone}{getattr(error, 'reason', error)}"
    findings.seconds = time.monotonic() - since
    return findings


@dataclass
class _Work:
    """The steps, and what they share."""

    source: Generator
    modes: tuple[Mode, ...]
    settings: Settings
    findings: Findings
    observer: Observer

    def __post_init__(self) -> None:
        findings = self.findings
        others = [(mode, each.source) for each in (findings.foreign, findings.beside) if each for mode in each.modes()]
        self.all_modes = (*self.modes, *(mode for mode, _ in others))
        self.other_sources = {mode.name: source for mode, source in others}
        self.random = np.random.default_rng(self.settings.seed)

    async def run(self) -> None:
        for mode in self.all_modes:
            await self._uncounted(mode, ALONE, WARM_UP_REQUESTS)
        await self._curve()

    def _source(self, mode: Mode) -> Generator:
        return self.other_sources.get(mode.name, self.source)

    async def _uncounted(self, mode: Mode, concurrency: int, num_requests: int) -> float:
        """Have so many callers ask so often in all, which nobody counts; return how long it took."""
        scenario = uncounted(mode, concurrency, self.settings.seed, num_requests)
        run_result = await self.findings.audited_runs.once(self._source(mode), scenario)
        self._check(run_result)
        return run_result.document.window.seconds

    async def _curve(self) -> None:
        settings = self.settings
        orders = {number: turns(self.all_modes, self.random) for number in settings.concurrencies}
        for number in range(settings.num_rounds):
            for concurrency in self.random.permutation(settings.concurrencies).tolist():
                await self._trials(number, concurrency, next(orders[concurrency]))
        most = max(settings.concurrencies)
        for number in range(settings.num_rounds, settings.num_rounds * (1 + MOST_EXTRA_ROUNDS)):
            if min(album.num_balanced for album in self.findings.albums.values()) >= settings.quality_images:
                return
            await self._trials(number, most, next(orders[most]))

    async def _trials(self, number: int, concurrency: int, order: Sequence[Mode]) -> None:
        """Run a trial of one load in each mode; a round that is broken off is left out, so that all modes have the same
        rounds.
        """
        trials: list[tuple[int, Trial]] = []
        for mode in order:
            self.observer.trial_begins(number, concurrency, mode)
            run_result = await self._trial(concurrency, mode)
            self._check(run_result)
            self.observer.trial_done(mode, self._add_images(mode, run_result))
            trial = trial_of(mode, concurrency, run_result)
            trials.append((number, trial))
            if trial.failure:
                self.findings.trials += trials
                raise BrokenOff(trial.failure)
        self.findings.trials += trials

    async def _trial(self, concurrency: int, mode: Mode) -> RunResult:
        """Run a trial at one load. Each caller has asked once before, so that the server is as busy as it stays."""
        findings, settings = self.findings, self.settings
        least = LEAST_TEXT_LATENCIES if mode.is_text and not mode.is_foreign else LEAST_LATENCIES
        seconds = max(settings.trial_seconds, least * await self._uncounted(mode, concurrency, concurrency))
        meter = findings.beside.meter if findings.beside and mode.form else findings.meter
        return await findings.audited_runs.run(
            self._source(mode),
            f"{mode.name}, {concurrency} at a time",
            steady(mode, concurrency, seconds, settings.seed),
            meter=lambda: read_cpu(meter, mode),
        )

    def _add_images(self, mode: Mode, run_result: RunResult) -> Pixels | None:
        """Keep the images of a trial; return the last one."""
        if not mode.has_images:
            return None
        image = None
        scenario = run_result.document.scenario
        sequence = RequestSequence(scenario)
        for number, image in images_by_number(run_result.record, [mode.workload.rpc]).items():
            label = int(sequence[number - scenario.first_number].place * mode.model.num_classes)
            self.findings.albums[mode.drawer].add(label, image)
        return image

    def _check(self, run_result: RunResult) -> None:
        """Raises BrokenOff if a load did not go to its end."""
        self.source.check_not_stopped()
        if run_result.document.is_partial:
            raise BrokenOff(run_result.document.problems[0])


def uncounted(mode: Mode, concurrency: int, seed: int, num_requests: int) -> Scenario:
    """Return requests of so many callers, which nobody counts."""
    return _scenario(mode, concurrency, seed, UNCOUNTED, num_requests=num_requests)


def steady(mode: Mode, concurrency: int, seconds: float, seed: int) -> Scenario:
    """Return a trial of so many callers."""
    source = FOREIGN if mode.is_foreign else SEQUENTIAL if mode.paradigm == "sequential" else PARALLEL
    return _scenario(mode, concurrency, seed, source, duration_seconds=seconds)


def _scenario(mode: Mode, concurrency: int, seed: int, source: int, **values: Any) -> Scenario:
    usual = {
        "workloads": (mode.workload,),
        "load": {"loop": "closed", "concurrency": concurrency},
        "warm_up_seconds": 0.0,
        "drain_seconds": _DRAIN_SECONDS,
        "num_places": mode.model.num_classes or None,
        "seed": int(np.random.SeedSequence((seed, source)).generate_state(1, np.uint64)[0] >> 1),
        "keep_replies": source != UNCOUNTED and not mode.is_text,
    }
    return Scenario.model_validate({**usual, **values})
