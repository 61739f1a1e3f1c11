"""A measurement of co-location from beginning to end: loads, trials in turn for so many rounds, the document."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import BrokenOff, Generator, generator
from tandem.measure.generator.requests.served import model_of, served_models
from tandem.measure.generator.run import RunResult
from tandem.measure.meters.header import header_of
from tandem.measure.results.colocation import Colocation, Load, Settings
from tandem.measure.scenario import PARADIGMS, ClosedLoop, Workload
from tandem.measure.statistics.interleaving import turns
from tandem.measure.studies.colocation.loads import Seen, load_of, scenario_of, seen_of, workloads_of
from tandem.measure.studies.colocation.results import Round, Trial, pairings_of
from tandem.measure.studies.crossover.runs import SCOUT_SECONDS, one_load

_CALLERS = 64


async def measured(
    address: str,
    settings: Settings,
    capacities: Mapping[str, float],
    on_stage: Callable[[str], None],
    stop: asyncio.Event,
) -> Colocation:
    """Measure each sequential model beside the parallel one; `stop` ends it early, and whole rounds are kept.
    `capacities`: requests/s that open loops found, by model; others are estimated first.

    Raises TandemRpcError and ValueError if it can't even begin.
    """
    started_at, models = datetime.now(UTC), await served_models(address, PARADIGMS)
    workloads = list(workloads_of(models, settings))
    async with generator(address, stop) as first, generator(address, stop) as second:
        study = _Study((first, second), settings, on_stage)
        reason = await study.all(workloads, capacities)
    problems = [*filter(None, [reason]), *study.problems]
    served = [model_of(each, models) for each in workloads]
    return Colocation(
        **header_of(address, served, started_at, study.audited_runs.summary(), problems, is_partial=bool(reason)),
        settings=settings,
        pairings=tuple(pairings_of(study.rounds)),
    )


@dataclass
class _Study:
    """Two generators, as two loads run at once; `rounds` are whole ones."""

    sources: tuple[Generator, Generator]
    settings: Settings
    on_stage: Callable[[str], None]
    rounds: list[Round] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    audited_runs: AuditedRuns = field(default_factory=AuditedRuns)

    async def all(self, workloads: Sequence[Workload], capacities: Mapping[str, float]) -> str:
        """Carry out all trials of all rounds; return why it ended early, empty if it did not."""
        try:
            *sequential, parallel = [await self._load(each, capacities) for each in workloads]
            alone: list[Trial] = [(load,) for load in (*sequential, parallel)]
            trials = [*alone, *((load, parallel) for load in sequential)]
            orders = turns(trials, np.random.default_rng(self.settings.seed))
            for number in range(self.settings.num_rounds):
                seen = {trial: await self._seen(trial, number) for trial in next(orders)}
                self.rounds.append({trial: seen[trial] for trial in trials})
        except BrokenOff as error:
            return str(error)
        return ""

    async def _load(self, workload: Workload, capacities: Mapping[str, float]) -> Load:
        if workload.kind == "text":
            return Load(workload=workload)
        if workload.model in capacities:
            return Load(workload=workload, capacity_per_second=capacities[workload.model], source="open loops")
        name = f"the most: {workload.model}"
        scenario = one_load(workload, ClosedLoop(concurrency=_CALLERS), SCOUT_SECONDS, self.settings.seed)
        self.on_stage(name)
        found = self._checked(await self.audited_runs.run(self.sources[0], name, scenario))
        return load_of(workload, found.document.streams[0].rates.requests)

    async def _seen(self, trial: Trial, number: int) -> list[Seen]:
        """Run loads at once. A load has the same arrivals in all trials of a round."""
        models = [load.workload.model for load in trial]
        name = f"round {number + 1}: {' beside '.join(models) if len(models) > 1 else f'{models[0]} alone'}"
        self.on_stage(name)
        seeds = (self.settings.seed + 1000 * (number + 1) + (load.workload.kind == "images") for load in trial)
        scenarios = [scenario_of(load, self.settings, seed) for load, seed in zip(trial, seeds, strict=True)]
        found = await self.audited_runs.run_together(name, list(zip(self.sources, scenarios, strict=False)))
        return [seen_of(self._checked(each), self.settings.trial_seconds) for each in found]

    def _checked(self, run_result: RunResult) -> RunResult:
        """Take the problems of a run. Raises BrokenOff if it is of no use."""
        document = run_result.document
        outcomes = document.streams[0].outcomes
        self.sources[0].check_not_stopped()
        if document.is_partial or (outcomes.planned and not outcomes.ok):
            raise BrokenOff("; ".join(document.problems))
        self.problems += [each for each in document.problems if outcomes.planned and each not in self.problems]
        return run_result
