"""A whole crossover: run, fit service curves, and find the capacity of each model in open loops."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from tandem.measure import formats
from tandem.measure.generator.audit import summed, what_is_wrong
from tandem.measure.generator.generator import BrokenOff
from tandem.measure.generator.run import RunResult
from tandem.measure.meters.header import header_of
from tandem.measure.results.comparison import Comparison, Point
from tandem.measure.results.crossover import (
    BreakEven,
    Capacity,
    Cost,
    Crossover,
    FittedService,
    Settings,
    TextIllustration,
    TextLength,
    Trial,
)
from tandem.measure.results.load import Document
from tandem.measure.scenario import PARADIGMS, ClosedLoop, OpenLoop, Paradigm, Workload
from tandem.measure.statistics.bracket import next_rate
from tandem.measure.studies.crossover.capacity import capacity, carried, trial, trial_seconds, tried
from tandem.measure.studies.crossover.observations import Observations, joined, observe
from tandem.measure.studies.crossover.runs import (
    CARRIED_SHARE,
    LOWEST_RATE,
    SCOUT_SECONDS,
    TEXT_CONCURRENCIES,
    Conduct,
    Models,
    climb,
    in_turn,
    one_load,
    text_workload,
    workload,
)
from tandem.measure.studies.crossover.service import Fit, break_even, fit_service
from tandem.shared.errors import ExpectedError


async def crossover(
    run: Conduct,
    models: Models,
    settings: Settings,
    comparison: Comparison | None,
    on_stage: Callable[[str], None],
    address: str,
) -> Crossover:
    """Carry it out; what cannot be fitted is a problem of the document. Raises TandemRpcError, and BrokenOff if nothing
    was measured by then."""
    started_at = datetime.now(UTC)
    found = _Work(run, models, settings, on_stage)
    is_partial = False
    try:
        await found.all()
    except BrokenOff as error:
        is_partial = True
        found.problems.append(str(error))
        found.documents += [error.document] if error.document is not None else []
        if not found.documents:
            raise
    audits = summed([each.audit for each in found.documents], 0, found.invalid)
    used = {stream.model for each in found.documents for stream in each.streams}
    served = {model.name: model for each in found.documents for model in each.models if model.name in used}
    return Crossover(
        **header_of(address, list(served.values()), started_at, audits, found.problems, is_partial)
        | {"machine": found.documents[0].machine},
        settings=settings,
        services=tuple(found.services),
        capacities=tuple(sorted(found.capacities, key=lambda each: PARADIGMS.index(each.paradigm))),
        break_even=found.break_even,
        costs=_costs(comparison),
        text=found.text,
        runs=(),
    )


@dataclass
class _Work:
    """The steps, what they share, and what there is so far: one that is broken off has what it had by then."""

    conduct: Conduct
    models: Models
    settings: Settings
    on_stage: Callable[[str], None]
    documents: list[Document] = field(default_factory=list)
    services: list[FittedService] = field(default_factory=list)
    capacities: list[Capacity] = field(default_factory=list)
    break_even: tuple[BreakEven, ...] = ()
    text: TextIllustration | None = None
    problems: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)  # runs in which the generator was not good enough, and why

    async def all(self) -> None:
        most = {paradigm: await self._most(paradigm) for paradigm in PARADIGMS}
        try:
            seen = await self._seen(most)
            self.on_stage("fitting")
            self._fit(seen, most)
        except ExpectedError as error:  # capacity needs no fit
            self.problems.append(f"no service curves: {error}")
        if self.settings.text_model:
            self.on_stage("text, for illustration")
            try:
                self.text = await self._illustration()
            except ExpectedError as error:
                self.problems.append(f"no illustration by text: {error}")
        others: list[float] = []
        for paradigm in sorted(PARADIGMS, key=most.__getitem__):
            found = await self._capacity(paradigm, max(LOWEST_RATE, most[paradigm] * CARRIED_SHARE), others)
            self.capacities.append(found)
            rates = carried(found, "p50").keys()
            others = sorted({min(rates), max(rates)}) if rates else []

    async def _run(
        self, file: str, name: str, one: Workload, load: ClosedLoop | OpenLoop, seconds: float, seed: int
    ) -> RunResult:
        """Carry out a run and take its document. `seed`: counts from that of the settings, another one for each run."""
        scenario = one_load(one, load, seconds, self.settings.seed + 1000 * seed)
        run_result = await self.conduct(file, scenario)
        document = run_result.document
        self.documents.append(document)
        self.problems += [f"{name}: {problem}" for problem in document.problems]
        self.invalid += what_is_wrong(name, document.audit)
        return run_result

    async def _seen(self, most: dict[Paradigm, float]) -> dict[Paradigm, Observations]:
        """Climb to the most that comes out. Raises ExpectedError after a climb that brought too little for a fit."""
        parts: dict[Paradigm, list[Observations]] = defaultdict(list)
        for number, paradigm in in_turn(self.settings):
            self.on_stage(f"fit: {paradigm}, up to {formats.number(most[paradigm])} images/s")
            file, name = f"fit-{paradigm}-round-{number + 1}", f"fit, {paradigm}, round {number + 1}"
            one, load = workload(self.models, paradigm, self.settings), climb(most[paradigm])
            run_result = await self._run(file, name, one, load, self.settings.climb_seconds, 1 + number)
            parts[paradigm].append(observe(run_result.record, paradigm, len(parts[paradigm])))
        return {paradigm: joined(observed) for paradigm, observed in parts.items()}

    async def _most(self, paradigm: Paradigm) -> float:
        """Return how many images a second come out when there are always more to be drawn."""
        callers = self.settings.concurrency
        self.on_stage(f"the most: {paradigm}, {callers} at a time")
        one, load = workload(self.models, paradigm, self.settings), ClosedLoop(concurrency=callers)
        run_result = await self._run(f"most-{paradigm}", f"the most, {paradigm}", one, load, SCOUT_SECONDS, 0)
        return run_result.document.streams[0].rates.requests

    def _fit(self, seen: dict[Paradigm, Observations], most: dict[Paradigm, float]) -> None:
        fits: dict[Paradigm, Fit] = {paradigm: fit_service(rows) for paradigm, rows in seen.items()}
        for paradigm in PARADIGMS:
            self.services.append(
                FittedService(
                    paradigm=paradigm,
                    model=self._model(paradigm),
                    num_steps=float(np.mean(seen[paradigm].length)) if paradigm == "sequential" else 1.0,
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
            trials.append(await self._trial(paradigm, rate, number))
        for rate in others:
            trials.append(await self._trial(paradigm, rate, len(trials)))
        return capacity(paradigm, self._model(paradigm), slo, trials)

    async def _trial(self, paradigm: Paradigm, rate: float, number: int) -> Trial:
        self.on_stage(f"capacity: {paradigm} at {formats.number(rate)} images/s")
        file, name = f"trial-{paradigm}-{number + 1}", f"trial, {paradigm} at {formats.number(rate)}/s"
        one, load = workload(self.models, paradigm, self.settings), OpenLoop(rate_per_second=rate)
        seconds = trial_seconds(rate, self.settings.trial_seconds)
        run_result = await self._run(file, name, one, load, seconds, 100 * (1 + PARADIGMS.index(paradigm)) + number)
        return trial(run_result.document)

    async def _illustration(self) -> TextIllustration:
        """Measure and fit texts of several lengths."""
        settings, parts = self.settings, []
        for callers in TEXT_CONCURRENCIES:
            name, load = f"text, {callers} at a time", ClosedLoop(concurrency=callers)
            one = text_workload(settings)
            run_result = await self._run(f"text-{callers}", name, one, load, settings.trial_seconds, 0)
            parts.append(observe(run_result.record, "sequential", callers, is_by_request=True))
        fit = fit_service(joined(parts))
        curves = fit.curves()
        return TextIllustration(
            model=settings.text_model,
            unit=curves["unit"],
            rest=curves["rest"],
            lengths=tuple(_text_length(fit, float(length)) for length in np.unique(fit.seen.length)),
        )

    def _model(self, paradigm: Paradigm) -> str:
        return next(each.streams[0].model for each in self.documents if each.streams[0].paradigm == paradigm)


def _text_length(fit: Fit, length: float) -> TextLength:
    """Return how t0 + L * t_step(b) fits the texts of one length."""
    rows, service = fit.seen, fit.service
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


def _costs(comparison: Comparison | None) -> tuple[Cost, ...]:
    """Return what an image costs by unary calls, at the loads at which that is known of both models."""
    modes = () if comparison is None else comparison.modes
    known = {each.paradigm: _costs_by_callers(each.curve) for each in modes if each.delivery == "unary"}
    first, second = known.get("sequential", {}), known.get("parallel", {})
    return tuple(
        Cost(concurrency=each, sequential_cpu_seconds=first[each], parallel_cpu_seconds=second[each])
        for each in sorted(first.keys() & second.keys())
    )


def _costs_by_callers(curve: Sequence[Point]) -> dict[int, float]:
    """Return the servers' CPU seconds an image, where they are known."""
    known = ((point.concurrency, point.cpu_seconds_per_image.servers) for point in curve)
    return {callers: servers.value for callers, servers in known if servers is not None}
