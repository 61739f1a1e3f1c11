"""The study of load, up to what each model carries: service curves are fitted to loads that climb, and open loops at
steady rates look for the capacity of each model within an objective.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tandem.measure import formats
from tandem.measure.generator.generator import Generator
from tandem.measure.generator.run import RunResult
from tandem.measure.generator.workers import OnProgress, ignore
from tandem.measure.lengths import Lengths
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.crossover import (
    BreakEven,
    Capacity,
    Crossover,
    FittedService,
    Settings,
    TextIllustration,
    TextLength,
    Trial,
)
from tandem.measure.results.load import Document
from tandem.measure.results.record import Table
from tandem.measure.scenario import PARADIGMS, ClosedLoop, Kind, OpenLoop, Paradigm, Workload
from tandem.measure.statistics.bracket import next_rate
from tandem.measure.studies.comparison.modes import CONTRASTS, find_pair
from tandem.measure.studies.fit.capacity import capacity, carried, trial, trial_seconds, tried
from tandem.measure.studies.fit.service import Fit, break_even, fit_service, observe
from tandem.measure.studies.study import (
    CARRIED_SHARE,
    LOWEST_RATE,
    SCOUT_SECONDS,
    Study,
    check_whole,
    one_load,
    senders,
)
from tandem.shared.errors import ExpectedError

TEXT_LENGTHS = Lengths.model_validate("choice:8:16:32")
TEXT_CONCURRENCIES = (1, 4)
_FIRST_SHARE = 0.03


async def run_fit(
    address: str,
    models: Mapping[Paradigm, str],
    settings: Settings,
    comparison: Comparison | None,
    *,
    on_stage: Callable[[str], None],
    on_progress: OnProgress,
    keep: Callable[[str, RunResult], None],
) -> Crossover:
    """Fit; what cannot be fitted is a problem of the document. Empty names of `models` are those of the matched pair,
    or of the only one. `keep` takes each run and its name. Ctrl-C ends it early, with what there is by then.

    Raises TandemRpcError, and ExpectedError if nothing was measured by then.
    """
    pair = await find_pair(address, models["sequential"], models["parallel"])
    models = {"sequential": pair.sequential.name, "parallel": pair.parallel.name}
    async with senders(address) as (source,):
        study = FitStudy(
            source=source, models=models, settings=settings, on_stage=on_stage, on_progress=on_progress, keep=keep
        )
        await study.measure()
    return study.document(comparison)


@dataclass(kw_only=True)
class FitStudy(Study):
    """What there is so far: a study that is broken off has what it had by then."""

    source: Generator
    models: Mapping[Paradigm, str]
    settings: Settings
    on_progress: OnProgress = ignore
    keep: Callable[[str, RunResult], None] = ignore
    documents: list[Document] = field(default_factory=list)
    services: list[FittedService] = field(default_factory=list)
    capacities: list[Capacity] = field(default_factory=list)
    break_even: tuple[BreakEven, ...] = ()
    text: TextIllustration | None = None

    async def measure(self) -> None:
        """Carry it out. Raises ExpectedError if it ended before anything was measured."""
        with self.until_broken_off():
            await self._measure_all()
        if not self.documents:
            raise ExpectedError(self.stop_reason)

    async def _measure_all(self) -> None:
        most = {paradigm: await self._most(paradigm) for paradigm in PARADIGMS}
        try:
            observations = await self._climb(most)
            self.on_stage("fitting")
            self._fit(observations, most)
        except ExpectedError as error:  # capacity needs no fit
            self.problems.append(f"no service curves: {error}")
        if self.settings.text_model:
            self.on_stage("text, for illustration")
            try:
                self.text = await self._illustrate()
            except ExpectedError as error:
                self.problems.append(f"no illustration by text: {error}")
        others: list[float] = []
        for paradigm in sorted(PARADIGMS, key=most.__getitem__):
            one = await self._capacity(paradigm, max(LOWEST_RATE, most[paradigm] * CARRIED_SHARE), others)
            self.capacities.append(one)
            rates = carried(one, "p50").keys()
            others = sorted({min(rates), max(rates)}) if rates else []

    def document(self, comparison: Comparison | None) -> Crossover:
        """Return the document, with the costs that a comparison has measured."""
        used = {stream.model for document in self.documents for stream in document.streams}
        served = {model.name: model for document in self.documents for model in document.models if model.name in used}
        header = self.header(self.source.address, list(served.values()))
        costs = [each for each in comparison.contrasts if each.metric == "cpu_seconds_per_image"] if comparison else []
        return Crossover(
            **header | {"machine": self.documents[0].machine},
            settings=self.settings,
            services=tuple(self.services),
            capacities=tuple(sorted(self.capacities, key=lambda one: PARADIGMS.index(one.paradigm))),
            break_even=self.break_even,
            costs=tuple(cost for cost in costs if (cost.first, cost.second) == CONTRASTS[0]),
            text=self.text,
            runs=(),
        )

    async def _load(
        self, file: str, name: str, workload: Workload, load: ClosedLoop | OpenLoop, seconds: float, seed: int
    ) -> RunResult:
        """Carry out a run and keep it. `seed`: counts from that of the settings, another one for each run."""
        scenario = one_load(workload, load, seconds, self.settings.seed + 1000 * seed)
        run_result = await self.audited_runs.run(self.source, name, scenario, on_progress=self.on_progress)
        self.keep(file, run_result)
        self.documents.append(run_result.document)
        self.problems += [f"{name}: {problem}" for problem in run_result.document.problems]
        return check_whole(self.source, run_result)

    def _workload(self, paradigm: Paradigm) -> Workload:
        """Return one image a request."""
        kind: Kind = "image" if paradigm == "sequential" else "images"
        delivery, slo = self.settings.delivery, self.settings.slo_seconds
        return Workload(kind=kind, delivery=delivery, model=self.models[paradigm], slo_seconds=slo)

    async def _most(self, paradigm: Paradigm) -> float:
        """Return how many images a second come out when there are always more to be drawn."""
        callers = self.settings.concurrency
        self.on_stage(f"the most: {paradigm}, {callers} at a time")
        load, name = ClosedLoop(concurrency=callers), f"the most, {paradigm}"
        run_result = await self._load(f"most-{paradigm}", name, self._workload(paradigm), load, SCOUT_SECONDS, 0)
        return run_result.document.streams[0].rates.requests

    async def _climb(self, most: Mapping[Paradigm, float]) -> dict[Paradigm, Table]:
        """Climb from little to the most that comes out, the paradigms in turn. Raises ExpectedError after a climb that
        brought too little for a fit.
        """
        parts: dict[Paradigm, list[Table]] = defaultdict(list)

        async def climb(paradigm: Paradigm, number: int) -> None:
            self.on_stage(f"fit: {paradigm}, up to {formats.number(most[paradigm])} images/s")
            file, name = f"fit-{paradigm}-round-{number + 1}", f"fit, {paradigm}, round {number + 1}"
            first, last = (max(LOWEST_RATE, most[paradigm] * share) for share in (_FIRST_SHARE, 1.0))
            load = OpenLoop(rate_per_second=first, end_rate_per_second=last)
            seconds = self.settings.climb_seconds
            run_result = await self._load(file, name, self._workload(paradigm), load, seconds, 1 + number)
            parts[paradigm].append(observe(run_result.record, paradigm, number))

        random = np.random.default_rng(self.settings.seed)
        async for _ in self.rounds([PARADIGMS], range(self.settings.num_rounds), random, climb):
            pass
        return {paradigm: np.concatenate(parts[paradigm]) for paradigm in PARADIGMS}

    def _fit(self, observations: Mapping[Paradigm, Table], most: Mapping[Paradigm, float]) -> None:
        fits: dict[Paradigm, Fit] = {paradigm: fit_service(rows) for paradigm, rows in observations.items()}
        for paradigm in PARADIGMS:
            steps = float(np.mean(observations[paradigm]["length"])) if paradigm == "sequential" else 1.0
            self.services.append(
                FittedService(
                    paradigm=paradigm,
                    model=self.models[paradigm],
                    num_steps=steps,
                    most_per_second=most[paradigm],
                    **fits[paradigm].curves(),
                )
            )
        self.break_even = break_even(fits["sequential"], fits["parallel"])

    async def _capacity(self, paradigm: Paradigm, first: float, others: Sequence[float]) -> Capacity:
        """Find the capacity of one model; try it at `others`, too, so that both stand over some equal loads."""
        slo, trials = self.settings.slo_seconds, list[Trial]()
        for number in range(self.settings.num_trials):
            rate = next_rate(tried(trials, slo), first, self.settings.num_trials - number)
            trials.append(await self._try(paradigm, rate, number))
        for rate in others:
            trials.append(await self._try(paradigm, rate, len(trials)))
        return capacity(paradigm, self.models[paradigm], slo, trials)

    async def _try(self, paradigm: Paradigm, rate: float, number: int) -> Trial:
        self.on_stage(f"capacity: {paradigm} at {formats.number(rate)} images/s")
        file, name = f"trial-{paradigm}-{number + 1}", f"trial, {paradigm} at {formats.number(rate)}/s"
        workload, load = self._workload(paradigm), OpenLoop(rate_per_second=rate)
        seconds, seed = trial_seconds(rate, self.settings.trial_seconds), 100 * (1 + PARADIGMS.index(paradigm)) + number
        return trial((await self._load(file, name, workload, load, seconds, seed)).document)

    async def _illustrate(self) -> TextIllustration:
        """Measure and fit texts of several lengths."""
        settings, parts = self.settings, []
        for callers in TEXT_CONCURRENCIES:
            values: dict[str, Any] = {"model": settings.text_model, "output_tokens": TEXT_LENGTHS}
            workload = Workload(kind="text", delivery=settings.delivery, **values)
            name, load = f"text, {callers} at a time", ClosedLoop(concurrency=callers)
            run_result = await self._load(f"text-{callers}", name, workload, load, settings.trial_seconds, 0)
            parts.append(observe(run_result.record, "sequential", callers, is_by_request=True))
        fit = fit_service(np.concatenate(parts))
        curves = fit.curves()
        lengths = tuple(_text_length(fit, float(length)) for length in np.unique(fit.rows["length"]))
        return TextIllustration(model=settings.text_model, unit=curves["unit"], rest=curves["rest"], lengths=lengths)


def _text_length(fit: Fit, length: float) -> TextLength:
    """Return how t0 + L * t_step(b) fits the texts of one length."""
    rows, service = fit.rows, fit.service
    here = rows["length"] == length
    pairs = zip(rows["in_flight"][here], rows["batch"][here], strict=True)
    fitted = float(np.mean([service.rest(callers) + length * service.unit(batch) for callers, batch in pairs]))
    measured = float(np.mean(rows["whole_seconds"][here]))
    return TextLength(
        length=length,
        num_requests=int(np.sum(here)),
        measured_seconds=measured,
        fitted_seconds=fitted,
        relative_residual=fitted / measured - 1,
    )
