"""A whole crossover: run, fit, predict, check the prediction in runs that the fit has not seen, and answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np

from bench.compare.document import Comparison
from bench.crossover.answers import Pair, answers
from bench.crossover.document import (
    Capacity,
    Crossover,
    FittedService,
    Interval,
    Predicted,
    Settings,
    TextIllustration,
    TextLength,
)
from bench.crossover.observations import Observations, joined, observe
from bench.crossover.prediction import checked, forecast, held_out, predicted_capacity, predictions
from bench.crossover.runs import (
    PARADIGMS,
    SCOUT_SECONDS,
    TEXT_CONCURRENCIES,
    BrokenOff,
    Conduct,
    Models,
    climbing,
    closed,
    in_turn,
    opened,
    rates,
    seeds,
    text_work,
    work,
)
from bench.crossover.service import Service, bootstrap, fit_service
from bench.crossover.summary import fitted_curve, fitted_service
from bench.load.document import Document, ServedModel
from bench.load.run import Outcome
from bench.load.scenario import Paradigm

NUM_DRAWS = 200

METHOD = (
    "Fitted on open loops of one-image requests whose rate climbs from little to the most that came out of a closed"
    " loop, both paradigms in turn. Not on closed loops: their callers come back together, and requests that come in"
    " bunches are handled, and drawn, with less effort than those that come one by one, as under real load.",
    "Each run is cut into ten slices of time; fits are relative least squares over the slices' means, without negative"
    " parameters; a knee is taken where it lowers the corrected Akaike criterion.",
    "Intervals: 95 %, percentile bootstrap over slices within each run, shape and knee kept. They tell how steady the"
    " machine was within this run, not what another day would bring.",
    "t_step and t_batch over the batch as the backend told it; t0, all the rest that the client waited, over the"
    " requests in flight.",
    "Prediction: Poisson arrivals at a flow-equivalent server (Chandy, Herzog and Woo, 1975), simulated. All that are"
    " in, up to the closed loop's callers, go on alike, at the pace of the whole time fitted for as many in flight."
    " Capacity: highest rate with 99 of 100 within the objective.",
    "Check: open loops at shares of the predicted capacity, and at the weaker's rates, not used in the fit; the"
    " prediction is for their very arrivals.",
)
LOCAL = "Generator and servers shared this machine's cores: what the generator took, the servers did not have."

OnStage = Callable[[str], None]


@dataclass
class Findings:
    """What there is so far; a crossover that is broken off has what it had by then."""

    documents: list[Document] = field(default_factory=list)
    services: list[FittedService] = field(default_factory=list)
    predictions: tuple[Predicted, ...] = ()
    capacities: list[Capacity] = field(default_factory=list)
    text: TextIllustration | None = None
    pair: Pair | None = None
    problems: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)  # runs in which the generator was not good enough


async def crossover(
    run: Conduct,
    models: Models,
    settings: Settings,
    comparison: Comparison | None,
    on_stage: OnStage,
    address: str,
) -> Crossover:
    """Carry it out. Raises TandemRpcError, BrokenOff if nothing was measured by then, and ValueError if nothing
    can be fitted."""
    started_at = datetime.now(UTC)
    found = Findings()
    is_partial = False
    try:
        await _all(run, models, settings, on_stage, found)
    except BrokenOff as error:
        is_partial = True
        found.problems.append(str(error))
        found.documents += [error.document] if error.document is not None else []
        if not found.documents:
            raise
    if found.invalid:
        found.problems.append(
            f"INVALID: the load generator was not good enough in {len(found.invalid)} of {len(found.documents)} runs,"
            f" and what rests on them is unsure: {'; '.join(found.invalid)}"
        )
    return _document(found, settings, comparison, started_at, is_partial, address)


async def _all(run: Conduct, models: Models, settings: Settings, on_stage: OnStage, found: Findings) -> None:
    seen = await _seen(run, models, settings, on_stage, found)
    on_stage("fitting")
    found.pair = _fit(seen, settings, found)
    found.predictions = predictions(found.pair)
    if settings.text_model:
        on_stage("text, for illustration")
        found.text = await _illustration(run, settings, found)
    expected = _capacities(found.pair, settings)
    for number, paradigm in enumerate(PARADIGMS):
        found.capacities.append(await _check(run, models, settings, on_stage, found, expected, paradigm, number))


async def _seen(
    run: Conduct, models: Models, settings: Settings, on_stage: OnStage, found: Findings
) -> dict[Paradigm, Observations]:
    """Find out how far to climb, and climb."""
    most = {paradigm: await _most(run, models, settings, on_stage, found, paradigm) for paradigm in PARADIGMS}
    parts: dict[Paradigm, list[Observations]] = defaultdict(list)
    for number, paradigm in in_turn(settings):
        on_stage(f"fit: {paradigm}, up to {most[paradigm]:,.0f} images/s")
        one = work(models, paradigm, settings)
        scenario = climbing(one, most[paradigm], settings.climb_seconds, seeds(settings, 1 + number))
        outcome = await run(f"fit-{paradigm}-round-{number + 1}", scenario)
        _note(outcome, found, f"fit, {paradigm}, round {number + 1}")
        parts[paradigm].append(observe(outcome.record, paradigm, len(parts[paradigm])))
    return {paradigm: joined(observed) for paradigm, observed in parts.items()}


async def _most(
    run: Conduct, models: Models, settings: Settings, on_stage: OnStage, found: Findings, paradigm: Paradigm
) -> float:
    """Return how many images a second come out when there are always more to be drawn."""
    on_stage(f"the most: {paradigm}, {settings.concurrency} at a time")
    scenario = closed(work(models, paradigm, settings), settings.concurrency, SCOUT_SECONDS, seeds(settings, 0))
    outcome = await run(f"most-{paradigm}", scenario)
    _note(outcome, found, f"the most, {paradigm}")
    return outcome.document.streams[0].rates.requests


def _note(outcome: Outcome, found: Findings, name: str) -> None:
    document = outcome.document
    found.documents.append(document)
    found.problems += [f"{name}: {problem}" for problem in document.problems]
    if not document.audit.valid:
        found.invalid.append(name)


def _fit(seen: dict[Paradigm, Observations], settings: Settings, found: Findings) -> Pair:
    services: dict[Paradigm, Service] = {}
    draws: dict[Paradigm, Sequence[Service]] = {}
    for paradigm in PARADIGMS:
        rows = seen[paradigm]
        num_steps = round(float(np.mean(rows.length))) if paradigm == "sequential" else 1
        services[paradigm] = fit_service(paradigm, num_steps, settings.concurrency, rows)
        draws[paradigm] = bootstrap(services[paradigm], rows, NUM_DRAWS)
        name = _model(found.documents, paradigm)
        found.services.append(fitted_service(name, services[paradigm], draws[paradigm], rows))
    return Pair(services["sequential"], services["parallel"], draws["sequential"], draws["parallel"])


def _model(documents: Sequence[Document], paradigm: Paradigm) -> str:
    return next(each.streams[0].model for each in documents if each.streams[0].paradigm == paradigm)


def _capacities(pair: Pair, settings: Settings) -> dict[Paradigm, Interval]:
    """Return what is predicted for both."""
    return {
        "sequential": predicted_capacity(pair.sequential, pair.sequential_draws, settings.slo_seconds),
        "parallel": predicted_capacity(pair.parallel, pair.parallel_draws, settings.slo_seconds),
    }


async def _check(
    run: Conduct,
    models: Models,
    settings: Settings,
    on_stage: OnStage,
    found: Findings,
    capacities: dict[Paradigm, Interval],
    paradigm: Paradigm,
    number: int,
) -> Capacity:
    """Measure whether the capacity of one paradigm is what was predicted."""
    assert found.pair is not None
    service = found.pair.sequential if paradigm == "sequential" else found.pair.parallel
    capacity, least = capacities[paradigm], min(each.value for each in capacities.values())
    runs = []
    for place, rate in enumerate(rates(capacity.value, least, settings.check_shares)):
        on_stage(f"check: {paradigm} at {rate:.3g} images/s")
        seed = seeds(settings, 100 + 10 * number + place)
        scenario = opened(work(models, paradigm, settings), rate, settings.check_seconds, seed)
        expected = forecast(service, scenario, settings.slo_seconds)
        outcome = await run(f"check-{paradigm}-{place + 1}", scenario)
        _note(outcome, found, f"check, {paradigm} at {rate:.3g}/s")
        runs.append(held_out(expected, outcome.document))
    return checked(paradigm, settings.slo_seconds, capacity, runs)


async def _illustration(run: Conduct, settings: Settings, found: Findings) -> TextIllustration:
    """Measure and fit texts of several lengths."""
    parts = []
    for callers in TEXT_CONCURRENCIES:
        scenario = closed(text_work(settings), callers, settings.check_seconds, settings.seed)
        outcome = await run(f"text-{callers}", scenario)
        _note(outcome, found, f"text, {callers} at a time")
        parts.append(observe(outcome.record, "sequential", callers, is_by_request=True))
    rows = joined(parts)
    service = fit_service("sequential", 1, max(TEXT_CONCURRENCIES), rows)
    draws = bootstrap(service, rows, NUM_DRAWS)
    return TextIllustration(
        model=settings.text_model,
        unit=fitted_curve(service.unit, [each.unit for each in draws], "batch", rows.unit),
        rest=fitted_curve(service.rest, [each.rest for each in draws], "in flight", rows.rest),
        lengths=tuple(_text_length(service, rows, float(length)) for length in np.unique(rows.length)),
    )


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


def _document(
    found: Findings,
    settings: Settings,
    comparison: Comparison | None,
    started_at: datetime,
    is_partial: bool,
    address: str,
) -> Crossover:
    first = found.documents[0]
    is_whole = found.pair is not None and len(found.capacities) == len(PARADIGMS)
    told = answers(found.pair, found.predictions, found.capacities, comparison, found.text) if is_whole else ()  # type: ignore[arg-type]
    return Crossover(
        tool_version=version("tandem-serving"),
        address=address,
        is_local=first.is_local,
        is_partial=is_partial,
        problems=tuple(found.problems),
        caveats=_caveats(found, first.is_local),
        started_at=started_at,
        machine=first.machine,
        models=_models(found.documents),
        settings=settings,
        method=METHOD,
        services=tuple(found.services),
        predictions=found.predictions,
        capacities=tuple(found.capacities),
        text=found.text,
        answers=told,
        runs=(),
    )


def _models(documents: Sequence[Document]) -> tuple[ServedModel, ...]:
    used = {stream.model for each in documents for stream in each.streams}
    found = {model.name: model for each in documents for model in each.models if model.name in used}
    return tuple(found.values())


def _caveats(found: Findings, is_local: bool) -> tuple[str, ...]:
    told = [LOCAL] if is_local else []
    for service in found.services:
        for name, curve in (("unit", service.unit), ("t0", service.rest), ("whole", service.whole)):
            if not curve.is_good:
                told.append(f"{service.paradigm}, {name}: {curve.verdict}")
    return tuple(told)
