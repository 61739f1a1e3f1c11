"""A study of modes over callers: warm up, try every load in each mode, keep all that was seen, judge what was drawn."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from time import monotonic

import numpy as np

from tandem.measure.formats import quantity
from tandem.measure.generator.generator import BrokenOff, Generator
from tandem.measure.generator.requests.replies import Pixels, images_by_number
from tandem.measure.generator.run import RunResult
from tandem.measure.generator.schedule.request_sequence import RequestSequence
from tandem.measure.meters.cpu import CpuMeter, CpuReading
from tandem.measure.results.comparison import ALONE, JudgedImages, Judgement, Settings
from tandem.measure.studies.comparison.album import Album
from tandem.measure.studies.comparison.beside import Beside
from tandem.measure.studies.comparison.modes import Mode
from tandem.measure.studies.comparison.trials import Trial, steady, trial_of, uncounted
from tandem.measure.studies.study import Study, check_whole, ignore

WARM_UP_REQUESTS = 5
# A trial lasts at least so many times as long as the first requests took.
LEAST_LATENCIES = 3.0
# Of texts, which take many times as long as an image.
LEAST_TEXT_LATENCIES = 1.0
SAMPLES_PER_CLASS = 10
# Rounds are added until quality has its images, but at most so many times as many as there were to be.
MOST_EXTRA_ROUNDS = 4

NOT_ASKED = "it was not asked for"


def unjudged(reason: str) -> Judgement:
    """Return why the images were not judged."""
    return Judgement(reason=reason, data_set=None, num_test_images=None, judge=None, judge_sha256=None)


@dataclass(kw_only=True)
class CallersStudy(Study):
    """`modes`: of the pair, controls among them. `trials` in the order of their rounds, which are numbered from 0;
    `albums` and `quality` by drawer. `on_image` is told of the last image of a trial.
    """

    source: Generator
    meter: CpuMeter
    modes: Sequence[Mode]
    settings: Settings
    foreign: Beside | None = None
    beside: Beside | None = None
    on_image: Callable[[Mode, Pixels], None] = ignore
    trials: list[tuple[int, Trial]] = field(default_factory=list)
    seconds: float = 0.0
    quality: dict[str, JudgedImages] = field(default_factory=dict)
    judgement: Judgement = field(default_factory=lambda: unjudged(NOT_ASKED))

    def __post_init__(self) -> None:
        classes = {mode.drawer: mode.model.num_classes or 1 for mode in self.modes}
        most = {drawer: max(SAMPLES_PER_CLASS, self.settings.quality_images // classes[drawer]) for drawer in classes}
        self.albums = {drawer: Album(number, most[drawer]) for drawer, number in classes.items()}

    async def measure(self) -> None:
        """Try all loads; a `stop` of the generator breaks it off."""
        settings, since = self.settings, monotonic()
        random = np.random.default_rng(settings.seed)
        others = [mode for beside in (self.foreign, self.beside) if beside for mode in beside.modes]
        modes = (*self.modes, *others)
        loads = [[(number, mode) for mode in modes] for number in sorted(settings.concurrencies)]
        extra = range(settings.num_rounds, settings.num_rounds * (1 + MOST_EXTRA_ROUNDS))
        rounds: list[tuple[Sequence[Sequence[tuple[int, Mode]]], Iterable[int]]] = [
            (loads, range(settings.num_rounds)),
            (loads[-1:], takewhile(lambda _: self._lacks_images, extra)),
        ]
        with self.until_broken_off():
            for mode in modes:
                await self._ask(mode, ALONE, WARM_UP_REQUESTS)
            for groups, numbers in rounds:
                async for number, trials in self.rounds(groups, numbers, random, self._try):
                    self.trials += [(number, trial) for trial in trials.values()]
        self.seconds = monotonic() - since

    @property
    def _lacks_images(self) -> bool:
        return min(album.num_balanced for album in self.albums.values()) < self.settings.quality_images

    def _beside_of(self, mode: Mode) -> Beside | None:
        return self.foreign if mode.is_foreign else self.beside if mode.form else None

    def _source(self, mode: Mode) -> Generator:
        beside = self._beside_of(mode)
        return self.source if beside is None else beside.source

    async def _ask(self, mode: Mode, concurrency: int, num_requests: int) -> float:
        """Have so many callers ask so often in all, which nobody counts; return how long it took."""
        scenario = uncounted(mode, concurrency, self.settings.seed, num_requests)
        run_result = check_whole(self.source, await self.audited_runs.once(self._source(mode), scenario))
        return run_result.document.window.seconds

    async def _try(self, load: tuple[int, Mode], number: int) -> Trial:
        """Try one load. Each caller has asked once before, so that the server is as busy as it stays."""
        (concurrency, mode), settings = load, self.settings
        name = f"{mode.name}, {concurrency} at a time"
        self.on_stage(f"round {number + 1}: {mode.name}, {quantity(concurrency, 'caller')}")
        least = LEAST_TEXT_LATENCIES if mode.is_text and not mode.is_foreign else LEAST_LATENCIES
        seconds = max(settings.trial_seconds, least * await self._ask(mode, concurrency, concurrency))
        scenario = steady(mode, concurrency, seconds, settings.seed)
        run_result = await self.run(self._source(mode), name, scenario, meter=lambda: self._read_meter(mode))
        self._add_images(mode, run_result)
        trial = trial_of(mode, concurrency, run_result)
        if trial.failure:
            self.trials.append((number, trial))
            raise BrokenOff(trial.failure)
        return trial

    async def _read_meter(self, mode: Mode) -> CpuReading:
        beside = self._beside_of(mode)
        return await (self.meter if beside is None else beside.meter).read(mode.paradigm)

    def _add_images(self, mode: Mode, run_result: RunResult) -> None:
        """Keep the images of a trial."""
        images = images_by_number(run_result.record, [mode.workload.rpc]) if mode.has_images else {}
        scenario = run_result.document.scenario
        sequence = RequestSequence(scenario)
        for number, image in images.items():
            label = int(sequence[number - scenario.first_number].place * mode.model.num_classes)
            self.albums[mode.drawer].add(label, image)
        if images:
            self.on_image(mode, next(reversed(images.values())))
