"""The study of co-location: each service alone, and both at once on the same cores, at the same loads, in turn."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tandem.measure.generator.generator import BrokenOff, Generator
from tandem.measure.generator.requests.served import model_of, served_models, with_model
from tandem.measure.generator.run import RunResult
from tandem.measure.results.colocation import Colocation, Load, Pairing, Settings, Side
from tandem.measure.results.header import ServedModel
from tandem.measure.results.record import Outcome
from tandem.measure.scenario import PARADIGMS, ClosedLoop, OpenLoop, Scenario, Workload
from tandem.measure.studies.study import (
    CARRIED_SHARE,
    LOWEST_RATE,
    SCOUT_SECONDS,
    Figure,
    Study,
    check_whole,
    one_load,
    pooled_quantile,
    ratio_of_sums,
    senders,
)
from tandem.shared.errors import ExpectedError

_CALLERS = 64
_CONFIDENCE = 0.95
# A load continues for this long after its window, so that both loads run until the window of each has ended.
TAIL_SECONDS = 0.3
_WARM_UP_SECONDS = 0.3

_FIGURES = (
    "tokens_per_second",
    *("gap_p50_seconds", "gap_p99_seconds"),
    "images_per_second",
    *("latency_p50_seconds", "latency_p99_seconds"),
)

Values = NDArray[np.float64]
Trial = tuple[Load, ...]
"""Loads that run at once: one, or a sequential one and the parallel one."""


@dataclass(frozen=True)
class Window:
    """What a load saw in its window: of requests that were due then, and of messages that came then."""

    seconds: float
    latencies: Values
    gaps: Values
    num_gap_tokens: int  # of the messages that end a gap
    num_images: int
    num_requests: int
    num_failed: int
    grows: bool


Round = Mapping[Trial, Sequence[Window]]


async def measure_colocation(
    address: str, settings: Settings, capacities: Mapping[str, float], on_stage: Callable[[str], None]
) -> Colocation:
    """Measure each sequential model beside the parallel one; Ctrl-C ends it early, and whole rounds are kept.
    `capacities`: requests/s that open loops found, by model; others are estimated first.

    Raises TandemRpcError and ValueError if it can't even begin.
    """
    models = await served_models(address, PARADIGMS)
    workloads = list(workloads_of(models, settings))
    async with senders(address, address) as sources:
        study = ColocationStudy(sources=sources, settings=settings, on_stage=on_stage)
        with study.until_broken_off():
            await study.measure([await study.load(workload, capacities) for workload in workloads])
    return Colocation(
        **study.header(address, [model_of(workload, models) for workload in workloads]),
        settings=settings,
        pairings=tuple(pairings_of(study.whole_rounds)),
    )


def workloads_of(models: Sequence[ServedModel], settings: Settings) -> Iterator[Workload]:
    """Yield streams of each sequential modality that is served or named, then images in parallel. Of several language
    models it is the first, unless one is named. Raises ValueError.
    """
    served = {model.modality: model.name for model in reversed(models) if model.paradigm == "sequential"}
    if not served:
        raise ExpectedError("model: no sequential model is served there")
    if settings.sequential_model or "image" in served:
        yield with_model(Workload(kind="image", delivery="streamed", model=settings.sequential_model), models)
    if text_model := settings.text_model or served.get("text"):
        yield with_model(Workload(kind="text", delivery="streamed", model=text_model), models)
    yield with_model(Workload(kind="images", delivery="unary", model=settings.parallel_model), models)


@dataclass(kw_only=True)
class ColocationStudy(Study):
    """Two generators, as two loads run at once."""

    sources: Sequence[Generator]
    settings: Settings
    whole_rounds: list[Round] = field(default_factory=list)

    async def load(self, workload: Workload, capacities: Mapping[str, float]) -> Load:
        """Return the load of a model: by a capacity that is known, or the most that comes out of a closed loop."""
        if workload.kind == "text":
            return Load(workload=workload)
        if workload.model in capacities:
            return Load(workload=workload, capacity_per_second=capacities[workload.model], source="open loops")
        name = f"the most: {workload.model}"
        scenario = one_load(workload, ClosedLoop(concurrency=_CALLERS), SCOUT_SECONDS, self.settings.seed)
        self.on_stage(name)
        run_result = self._check(await self.run(self.sources[0], name, scenario))
        return load_of(workload, run_result.document.streams[0].rates.requests)

    async def measure(self, loads: Sequence[Load]) -> None:
        """Carry out all trials of all rounds; the parallel load is the last one."""
        *sequential, parallel = loads
        trials: list[Trial] = [*((load,) for load in loads), *((load, parallel) for load in sequential)]
        random = np.random.default_rng(self.settings.seed)
        async for _, windows in self.rounds([trials], range(self.settings.num_rounds), random, self._try):
            self.whole_rounds.append({trial: windows[trial] for trial in trials})

    async def _try(self, trial: Trial, number: int) -> list[Window]:
        """Run loads at once. A load has the same arrivals in all trials of a round."""
        models, settings = [load.workload.model for load in trial], self.settings
        name = f"round {number + 1}: {' beside '.join(models) if len(models) > 1 else f'{models[0]} alone'}"
        self.on_stage(name)
        seeds = (settings.seed + 1000 * (number + 1) + (load.workload.kind == "images") for load in trial)
        scenarios = [scenario_of(load, settings, seed) for load, seed in zip(trial, seeds, strict=True)]
        run_results = await self.audited_runs.run_together(name, list(zip(self.sources, scenarios, strict=False)))
        return [window_of(self._check(run_result), settings.trial_seconds) for run_result in run_results]

    def _check(self, run_result: RunResult) -> RunResult:
        """Take the problems of a run. Raises BrokenOff if it is of no use."""
        document = check_whole(self.sources[0], run_result).document
        outcomes = document.streams[0].outcomes
        if outcomes.planned and not outcomes.ok:
            raise BrokenOff("; ".join(document.problems))
        self.problems += [text for text in document.problems if outcomes.planned and text not in self.problems]
        return run_result


def load_of(workload: Workload, most_per_second: float) -> Load:
    """Return the load of a model of which so many images came out of a closed loop, which may be none at all."""
    capacity = max(LOWEST_RATE, CARRIED_SHARE * most_per_second)
    return Load(workload=workload, capacity_per_second=capacity, source="closed loop")


def scenario_of(load: Load, settings: Settings, seed: int) -> Scenario:
    """Return a trial of a load; with the same seed, requests arrive at the same instants."""
    rate = load.rate_per_second
    loop = ClosedLoop(concurrency=1) if rate is None else OpenLoop(rate_per_second=rate)
    return one_load(load.workload, loop, settings.trial_seconds + TAIL_SECONDS, seed, _WARM_UP_SECONDS)


def window_of(run_result: RunResult, seconds: float) -> Window:
    """Return what a run saw in the first `seconds` after its warm-up."""
    (rows, messages), backlog = run_result.record[:2], run_result.document.backlog
    due = rows[(rows["intended"] >= 0.0) & (rows["intended"] < seconds)]
    ended_well = rows[rows["outcome"] == Outcome.OK]
    good = due[due["outcome"] == Outcome.OK]
    messages = messages[np.isin(messages["number"], ended_well["number"])]
    first, second = messages[:-1], messages[1:]
    is_gap = (first["number"] == second["number"]) & (first["at"] >= 0.0) & (second["at"] < seconds)
    is_delivered = (ended_well["ended"] >= 0.0) & (ended_well["ended"] < seconds)
    return Window(
        seconds=seconds,
        latencies=np.asarray(good["ended"] - good["intended"]),
        gaps=np.asarray((second["at"] - first["at"])[is_gap]),
        num_gap_tokens=int(np.sum(second["num_outputs"][is_gap])),
        num_images=int(np.sum(ended_well["num_images"][is_delivered])),
        num_requests=len(due),
        num_failed=len(due) - len(good),
        grows=backlog is not None and backlog.grows,
    )


def pairings_of(rounds: Sequence[Round]) -> Iterator[Pairing]:
    """Yield what came of each trial of two loads, beside those of each load alone."""
    for trial in rounds[0] if rounds else ():
        if len(trial) == 2:
            sides = [_side(trial, place, rounds) for place in range(2)]
            yield Pairing(sequential=sides[0], parallel=sides[1], num_rounds=len(rounds))


def _side(trial: Trial, place: int, rounds: Sequence[Round]) -> Side:
    load = trial[place]
    windows = [one[load,][0] for one in rounds], [one[trial][place] for one in rounds]
    alone, together = ({name: figure for name in _FIGURES if (figure := _figure(name, load, some))} for some in windows)
    ratios = {name: together[name].over(alone[name], _CONFIDENCE) for name in alone if name in together}
    return Side(
        load=load,
        alone={name: alone[name].repeated(_CONFIDENCE) for name in ratios},
        together={name: together[name].repeated(_CONFIDENCE) for name in ratios},
        ratios={name: ratio for name, ratio in ratios.items() if ratio is not None},
        num_requests=sum(window.num_requests for window in windows[1]),
        num_failed=sum(window.num_failed for window in windows[1]),
        num_growing=sum(window.grows for window in windows[1]),
    )


def _figure(name: str, load: Load, rounds: Sequence[Window]) -> Figure | None:
    """Return a figure of these rounds; None if too little was seen, or such a load has no such figure."""
    quantile = 0.99 if "p99" in name else 0.5
    match name.partition("_")[0]:
        case "latency":
            return pooled_quantile([window.latencies for window in rounds], quantile)
        case "gap":
            return pooled_quantile([window.gaps for window in rounds], quantile)
        case "tokens" if all(window.gaps.sum() > 0.0 for window in rounds):
            return ratio_of_sums([window.num_gap_tokens for window in rounds], [window.gaps.sum() for window in rounds])
        case "images" if load.rate_per_second is not None:
            return ratio_of_sums([window.num_images for window in rounds], [window.seconds for window in rounds])
    return None
