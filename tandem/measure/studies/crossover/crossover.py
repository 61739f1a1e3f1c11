"""A whole crossover: run, fit service curves, and find the capacity of each model in open loops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from tandem.expected_errors import ExpectedError
from tandem.measure import formats
from tandem.measure.generator.audit import summed, what_is_wrong
from tandem.measure.generator.generator import BrokenOff
from tandem.measure.generator.run import RunResult
from tandem.measure.meters.header import header_of
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.crossover import (
    Capacity,
    Crossover,
    FittedService,
    Settings,
    TextIllustration,
    TextLength,
    Trial,
)
from tandem.measure.results.header import ServedModel
from tandem.measure.results.load import Document
from tandem.measure.scenario import PARADIGMS, Paradigm
from tandem.measure.statistics.bracket import next_rate
from tandem.measure.studies.crossover.capacity import capacity, carried, trial, trial_seconds, tried
from tandem.measure.studies.crossover.observations import Observations, joined, observe
from tandem.measure.studies.crossover.pair import Pair, costs
from tandem.measure.studies.crossover.runs import (
    CARRIED_SHARE,
    LOWEST_RATE,
    SCOUT_SECONDS,
    TEXT_CONCURRENCIES,
    Conduct,
    Models,
    climbing,
    closed,
    in_turn,
    opened,
    seeds,
    text_workload,
    workload,
)
from tandem.measure.studies.crossover.service import Service, bootstrap, fit_service
from tandem.measure.studies.crossover.summary import fitted_curve, fitted_service

NUM_DRAWS = 200

OnStage = Callable[[str], None]


@dataclass
class Findings:
    """What there is so far; a crossover that is broken off has what it had by then."""

    documents: list[Document] = field(default_factory=list)
    services: list[FittedService] = field(default_factory=list)
    capacities: list[Capacity] = field(default_factory=list)
    text: TextIllustration | None = None
    pair: Pair | None = None
    problems: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)  # runs in which the generator was not good enough, and why

    def note(self, run_result: RunResult, name: str) -> None:
        """Take the document of a run."""
        document = run_result.document
        self.documents.append(document)
        self.problems += [f"{name}: {problem}" for problem in document.problems]
        self.invalid += what_is_wrong(name, document.audit)


async def crossover(
    run: Conduct,
    models: Models,
    settings: Settings,
    comparison: Comparison | None,
    on_stage: OnStage,
    address: str,
) -> Crossover:
    """Carry it out; what cannot be fitted is a problem of the document. Raises TandemRpcError, and BrokenOff if nothing
    was measured by then."""
    started_at = datetime.now(UTC)
    conduct = _Work(run, models, settings, on_stage)
    found = conduct.found
    is_partial = False
    try:
        await conduct.all()
    except BrokenOff as error:
        is_partial = True
        found.problems.append(str(error))
        found.documents += [error.document] if error.document is not None else []
        if not found.documents:
            raise
    audits = summed([each.audit for each in found.documents], 0, found.invalid)
    return Crossover(
        **header_of(address, _models(found.documents), started_at, audits, found.problems, is_partial)
        | {"machine": found.documents[0].machine},
        settings=settings,
        services=tuple(found.services),
        capacities=tuple(sorted(found.capacities, key=lambda each: PARADIGMS.index(each.paradigm))),
        break_even=() if found.pair is None else found.pair.break_even(),
        costs=costs(comparison),
        text=found.text,
        runs=(),
    )


@dataclass
class _Work:
    """The steps, and what they share."""

    run: Conduct
    models: Models
    settings: Settings
    on_stage: OnStage
    found: Findings = field(default_factory=Findings)

    async def all(self) -> None:
        most = {paradigm: await self._most(paradigm) for paradigm in PARADIGMS}
        try:
            seen = await self._seen(most)
            self.on_stage("fitting")
            self.found.pair = self._fit(seen, most)
        except ExpectedError as error:  # capacity needs no fit
            self.found.problems.append(f"no service curves: {error}")
        if self.settings.text_model:
            self.on_stage("text, for illustration")
            try:
                self.found.text = await self._illustration()
            except ExpectedError as error:
                self.found.problems.append(f"no illustration by text: {error}")
        others: list[float] = []
        for paradigm in sorted(PARADIGMS, key=most.__getitem__):
            found = await self._capacity(paradigm, max(LOWEST_RATE, most[paradigm] * CARRIED_SHARE), others)
            self.found.capacities.append(found)
            rates = carried(found, "p50").keys()
            others = sorted({min(rates), max(rates)}) if rates else []

    async def _seen(self, most: dict[Paradigm, float]) -> dict[Paradigm, Observations]:
        """Climb to the most that comes out. Raises ExpectedError after a climb that brought too little for a fit."""
        settings, found = self.settings, self.found
        parts: dict[Paradigm, list[Observations]] = defaultdict(list)
        for number, paradigm in in_turn(settings):
            self.on_stage(f"fit: {paradigm}, up to {formats.number(most[paradigm])} images/s")
            one = workload(self.models, paradigm, settings)
            scenario = climbing(one, most[paradigm], settings.climb_seconds, seeds(settings, 1 + number))
            run_result = await self.run(f"fit-{paradigm}-round-{number + 1}", scenario)
            found.note(run_result, f"fit, {paradigm}, round {number + 1}")
            parts[paradigm].append(observe(run_result.record, paradigm, len(parts[paradigm])))
        return {paradigm: joined(observed) for paradigm, observed in parts.items()}

    async def _most(self, paradigm: Paradigm) -> float:
        """Return how many images a second come out when there are always more to be drawn."""
        callers = self.settings.concurrency
        self.on_stage(f"the most: {paradigm}, {callers} at a time")
        one = workload(self.models, paradigm, self.settings)
        run_result = await self.run(f"most-{paradigm}", closed(one, callers, SCOUT_SECONDS, seeds(self.settings, 0)))
        self.found.note(run_result, f"the most, {paradigm}")
        return run_result.document.streams[0].rates.requests

    def _fit(self, seen: dict[Paradigm, Observations], most: dict[Paradigm, float]) -> Pair:
        services = {paradigm: fit_service(rows) for paradigm, rows in seen.items()}
        draws = {paradigm: bootstrap(services[paradigm], rows, NUM_DRAWS) for paradigm, rows in seen.items()}
        for each in PARADIGMS:
            name = _model(self.found.documents, each)
            self.found.services.append(fitted_service(each, name, most[each], services[each], draws[each], seen[each]))
        in_flight = min(np.max(seen[each].in_flight) for each in PARADIGMS)
        most_in_flight = int(min(in_flight, np.max(seen["sequential"].batch)))
        return Pair(
            services["sequential"], services["parallel"], draws["sequential"], draws["parallel"], most_in_flight
        )

    async def _capacity(self, paradigm: Paradigm, first: float, others: Sequence[float]) -> Capacity:
        """Find the capacity of one model; try it at `others`, too, so that both stand over some equal loads."""
        slo, trials = self.settings.slo_seconds, list[Trial]()
        for number in range(self.settings.num_trials):
            rate = next_rate(tried(trials, slo), first, self.settings.num_trials - number)
            trials.append(await self._trial(paradigm, rate, number))
        for rate in others:
            trials.append(await self._trial(paradigm, rate, len(trials)))
        return capacity(paradigm, _model(self.found.documents, paradigm), slo, trials)

    async def _trial(self, paradigm: Paradigm, rate: float, number: int) -> Trial:
        settings = self.settings
        self.on_stage(f"capacity: {paradigm} at {formats.number(rate)} images/s")
        seed = seeds(settings, 100 * (1 + PARADIGMS.index(paradigm)) + number)
        seconds = trial_seconds(rate, settings.trial_seconds)
        scenario = opened(workload(self.models, paradigm, settings), rate, seconds, seed)
        run_result = await self.run(f"trial-{paradigm}-{number + 1}", scenario)
        self.found.note(run_result, f"trial, {paradigm} at {formats.number(rate)}/s")
        return trial(run_result.document)

    async def _illustration(self) -> TextIllustration:
        """Measure and fit texts of several lengths."""
        settings, parts = self.settings, []
        for callers in TEXT_CONCURRENCIES:
            scenario = closed(text_workload(settings), callers, settings.trial_seconds, settings.seed)
            run_result = await self.run(f"text-{callers}", scenario)
            self.found.note(run_result, f"text, {callers} at a time")
            parts.append(observe(run_result.record, "sequential", callers, is_by_request=True))
        rows = joined(parts)
        service = fit_service(rows)
        draws = bootstrap(service, rows, NUM_DRAWS)
        return TextIllustration(
            model=settings.text_model,
            unit=fitted_curve(service.unit, [each.unit for each in draws], "batch", rows.unit),
            rest=fitted_curve(service.rest, [each.rest for each in draws], "in flight", rows.rest),
            lengths=tuple(_text_length(service, rows, float(length)) for length in np.unique(rows.length)),
        )


def _model(documents: Sequence[Document], paradigm: Paradigm) -> str:
    return next(each.streams[0].model for each in documents if each.streams[0].paradigm == paradigm)


def _text_length(service: Service, rows: Observations, length: float) -> TextLength:
    """Return how t0 + L * t_step(b) fits the texts of one length."""
    here = rows.length == length
    pairs = zip(rows.in_flight[here], rows.batch[here], strict=True)
    fitted = float(np.mean([service.rest(callers) + length * service.unit(batch) for callers, batch in pairs]))
    measured = float(np.mean(rows.whole_seconds[here]))
    return TextLength(
        length=length,
        num_requests=int(np.sum(here)),
        measured_seconds=measured,
        fitted_seconds=fitted,
        relative_residual=fitted / measured - 1,
    )


def _models(documents: Sequence[Document]) -> tuple[ServedModel, ...]:
    used = {stream.model for each in documents for stream in each.streams}
    found = {model.name: model for each in documents for model in each.models if model.name in used}
    return tuple(found.values())
