"""A study of modes over callers: warm up, try every load in each mode, keep all that was seen, and the images as they
were served. Beside the pair, in the same rounds: a third-party server, or the pair itself in another form.

The third-party server is sequential, and asked by OpenAI's API for as many tokens as an image of ours has. What it does
within, its queue, its phases and its CPU time, nobody here knows.
"""

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from time import monotonic

import numpy as np
import numpy.typing as npt
from PIL import Image

from tandem.client.images import grid
from tandem.measure.formats import quantity
from tandem.measure.generator.generator import BrokenOff, Generator
from tandem.measure.generator.requests.reading import Pixels, images_by_number
from tandem.measure.generator.requests.served import name_model
from tandem.measure.generator.run import RunResult
from tandem.measure.generator.schedule.request_sequence import RequestSequence
from tandem.measure.generator.workers import ignore
from tandem.measure.meters.cpu import CpuMeter
from tandem.measure.results.comparison import ALONE, JudgedImages, Judgement, Settings
from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Workload
from tandem.measure.studies.comparison.modes import DEADLINE_SECONDS, DELIVERIES, OUTPUT_TOKENS, Mode, Pair, find_pair
from tandem.measure.studies.comparison.trials import Trial, steady, trial_of, uncounted
from tandem.measure.studies.study import Study, check_whole
from tandem.shared.errors import ExpectedError

PADDING = 1


class Album:
    """The images of one model. Counts all, keeps the first ones of each class."""

    def __init__(self, num_classes: int, most_per_class: int) -> None:
        self._most = most_per_class
        self._kept: list[list[Pixels]] = [[] for _ in range(num_classes)]
        self._counts = [0] * num_classes

    def __len__(self) -> int:
        return sum(self._counts)

    @property
    def num_per_class(self) -> int:
        """As many are kept of every class."""
        return min(len(images) for images in self._kept)

    @property
    def num_balanced(self) -> int:
        """As many were served, if each class counts as often as the rarest."""
        return min(self._counts) * len(self._counts)

    def add(self, label: int, pixels: Pixels) -> None:
        """Take an image [H, W, C]."""
        self._counts[label] += 1
        if len(self._kept[label]) < self._most:
            self._kept[label].append(pixels)

    def balance(self, num_per_class: int) -> tuple[Pixels, npt.NDArray[np.int64]]:
        """Return the first images [N, H, W, C] of each class, in the order of the classes, and their labels [N]."""
        images = np.stack([image for kept in self._kept for image in kept[:num_per_class]])
        return images, np.repeat(np.arange(len(self._kept)), num_per_class)

    def samples_png(self, num_per_class: int) -> str:
        """Return an image of the first images, one row a class, as base64; empty where a class has none."""
        count = min(num_per_class, self.num_per_class)
        if not count:
            return ""
        canvas = grid(self.balance(count)[0], count, PADDING)
        file = io.BytesIO()
        Image.fromarray(canvas[..., 0] if canvas.shape[-1] == 1 else canvas).save(file, "PNG")
        return base64.b64encode(file.getvalue()).decode()


@dataclass(frozen=True)
class Beside:
    """`source` sends to it; `meter` is of its processes. `contrasts`: names of modes to hold against each other."""

    source: Generator
    meter: CpuMeter
    modes: tuple[Mode, ...]
    contrasts: tuple[tuple[str, str], ...]
    models: tuple[ServedModel, ...]


async def third_party_beside(source: Generator, model: str, pair: Pair) -> Beside:
    """Return the third-party server that `source` sends to; an empty model is the first it lists.

    Raises ExpectedError, ConnectionError.
    """
    settings = {
        "kind": "text",
        "api": "openai",
        "model": model,
        "output_tokens": pair.sequential.tokens_per_image or OUTPUT_TOKENS,
        "prompt_tokens": 1,  # as a class is one token
        "deadline_seconds": DEADLINE_SECONDS,
    }
    workloads = [Workload.model_validate({**settings, "delivery": delivery}) for delivery in DELIVERIES]
    name = await name_model(source.address, workloads[-1])
    served = ServedModel(paradigm="sequential", name=name, modality="text")
    modes = tuple(Mode(workload.model_copy(update={"model": name}), served) for workload in workloads)
    contrasts = tuple((mode.name, f"sequential {mode.workload.delivery}") for mode in modes)
    return Beside(source, CpuMeter((), {}), modes, contrasts, (served,))


async def pair_beside(source: Generator, pair: Pair, meter: CpuMeter) -> Beside:
    """Return the same two models, in one precision, that `source` sends to. Raises TandemRpcError, ValueError."""
    other = await find_pair(source.address, pair.sequential.name, pair.parallel.name)
    if other.is_matched != pair.is_matched:
        raise ExpectedError(f"{source.address}: {other.unmatched or 'serves a matched pair'}; expected the same pair")
    first, second = (model.dtype for model in other.models)
    if first is None or first != second:
        raise ExpectedError(f"{source.address}: computes in {first} and {second}; expected one precision for both")
    unary = (mode for mode in other.modes() if mode.workload.delivery == "unary")
    modes = tuple(replace(mode, form=f"both in {first}") for mode in unary)
    return Beside(source, meter, modes, ((modes[0].name, modes[1].name),), other.models)


WARM_UP_REQUESTS = 5
# A trial lasts at least so many times as long as the first requests took.
LEAST_LATENCIES = 3.0
# Of texts, which take many times as long as an image.
LEAST_TEXT_LATENCIES = 1.0
SAMPLES_PER_CLASS = 10
# Rounds are added until quality has its images, but at most so many times as many as there were to be.
MOST_EXTRA_ROUNDS = 4

NOT_ASKED = "it was not asked for"


@dataclass(kw_only=True)
class CallersStudy(Study):
    """`modes`: of the pair, controls among them. `trials` in the order of their rounds, which are numbered from 0;
    `albums` and `quality` by drawer. `bits`: bits a token of the same N test images, by mode: [N]; `predicted`: those
    that the costs of steps come to, by the number of steps. `on_image` is told of the last image of a trial.
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
    bits: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    predicted: Mapping[int, float] = field(default_factory=dict)
    judgement: Judgement = field(default_factory=lambda: Judgement(reason=NOT_ASKED))

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

    def _side(self, mode: Mode) -> tuple[Generator, CpuMeter]:
        """Return who sends requests in a mode, and the meter of those who answer."""
        beside = self.foreign if mode.is_foreign else self.beside if mode.form else None
        return (self.source, self.meter) if beside is None else (beside.source, beside.meter)

    async def _ask(self, mode: Mode, concurrency: int, num_requests: int) -> float:
        """Have so many callers ask so often in all, which nobody counts; return how long it took."""
        scenario = uncounted(mode, concurrency, self.settings.seed, num_requests)
        run_result = check_whole(self.source, await self.audited_runs.once(self._side(mode)[0], scenario))
        return run_result.document.window.seconds

    async def _try(self, load: tuple[int, Mode], number: int) -> Trial:
        """Try one load. Each caller has asked once before, so that the server is as busy as it stays."""
        (concurrency, mode), settings = load, self.settings
        name = f"{mode.name}, {concurrency} at a time"
        self.on_stage(f"round {number + 1}: {mode.name}, {quantity(concurrency, 'caller')}")
        least = LEAST_TEXT_LATENCIES if mode.is_text and not mode.is_foreign else LEAST_LATENCIES
        seconds = max(settings.trial_seconds, least * await self._ask(mode, concurrency, concurrency))
        scenario = steady(mode, concurrency, seconds, settings.seed)
        source, meter = self._side(mode)
        run_result = await self.run(source, name, scenario, meter=partial(meter.read, mode.paradigm))
        self._add_images(mode, run_result)
        trial = trial_of(mode, concurrency, run_result)
        if trial.failure:
            self.trials.append((number, trial))
            raise BrokenOff(trial.failure)
        return trial

    def _add_images(self, mode: Mode, run_result: RunResult) -> None:
        """Keep the images of a trial."""
        images = images_by_number(run_result.record, mode.workload.rpc) if mode.has_images else {}
        scenario = run_result.document.scenario
        sequence = RequestSequence(scenario)
        for number, image in images.items():
            label = int(sequence[number - scenario.first_number].place * mode.model.num_classes)
            self.albums[mode.drawer].add(label, image)
        if images:
            self.on_image(mode, next(reversed(images.values())))
