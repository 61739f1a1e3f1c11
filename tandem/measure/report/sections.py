"""What a report shows below its first screen, in order. A section without anything to show is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tandem.measure.formats import seconds
from tandem.measure.report.charts.chart import Chart, Stack
from tandem.measure.report.charts.fit import fit_charts
from tandem.measure.report.charts.growth import growth_charts
from tandem.measure.report.charts.load import cost_charts, load_charts
from tandem.measure.report.charts.quality import law_chart, quality_chart
from tandem.measure.report.charts.times import cdf_charts, first_output_chart, phase_stack
from tandem.measure.report.front import points_of
from tandem.measure.report.middle_ground import modes_between
from tandem.measure.report.sentences import colocation as colocation_texts
from tandem.measure.report.sentences import comparison as comparison_texts
from tandem.measure.report.sentences import crossover as crossover_texts
from tandem.measure.report.sentences import growth as growth_texts
from tandem.measure.report.sentences import steps as steps_texts
from tandem.measure.report.sentences.audits import LOCAL, audit_text
from tandem.measure.report.sentences.crossover import Answer
from tandem.measure.report.sources import Sources, matched_runs
from tandem.measure.report.tables.colocation import colocation_tables
from tandem.measure.report.tables.comparison import quality_tables
from tandem.measure.report.tables.crossover import crossover_tables
from tandem.measure.report.tables.growth import growth_tables
from tandem.measure.report.tables.load import run_table
from tandem.measure.report.tables.phases import phase_table
from tandem.measure.report.tables.steps import steps_tables
from tandem.measure.report.tables.surroundings import file_table, machine_table, model_table
from tandem.measure.report.tables.table import Table
from tandem.measure.results.colocation import Colocation
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.growth import Growth
from tandem.measure.results.header import ServedModel

METHOD = (
    "Both models draw the same thing, one image of a class, through the same gateway. A run's warm-up is left out.",
    "Open loop: requests start when they are due, whatever became of those before, and latency counts from then: a slow"
    " server cannot hide its queue. Closed loop: so many callers, each of which asks again when it has its image.",
    "A quantile is a value that occurred; where fewer than one value lies beyond it, it is left out.",
    "An INVALID run is one in which the load generator itself was late, busy or dropped requests beyond its bounds. Its"
    " figures say more of the generator than of the server: they are shown with a cross, and nothing rests on them.",
    "A PARTIAL run was broken off; what it measured until then is shown.",
)
SMALL_FID = (
    "FID depends on the number of images: below 10,000 it is too high, for real images as well. Compare it with"
    " that of as many real ones, and with no FID from elsewhere: the features are a small classifier's of these images."
)


@dataclass(frozen=True)
class Section:
    """A heading and what comes under it, in this order. `is_folded`: it is there for whoever opens it."""

    key: str
    title: str
    texts: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    charts: tuple[Chart | Stack, ...] = ()
    tables: tuple[Table, ...] = ()
    points: tuple[str, ...] = ()
    is_folded: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.texts or self.answers or self.charts or self.tables or self.points)


def sections(sources: Sources) -> list[Section]:
    """Return all that there is something for: what answers the question openly, how that was found folded."""
    runs = matched_runs(sources.runs)
    comparison = sources.comparison
    charts = load_charts(runs, comparison)
    stack = phase_stack(runs, comparison)
    found = [
        _quality_section(sources),
        _load_section(sources, charts),
        *([] if sources.colocation is None else [_colocation_section(sources.colocation)]),
        Section("time", stack.title, charts=() if stack.is_empty else (stack,)),
        Section(
            "latency",
            "More on latency",
            charts=(*charts[1:], *cdf_charts(runs, comparison), *_first_output(comparison)),
            is_folded=True,
        ),
    ]
    if comparison is not None:
        found.append(_figures_section(comparison, stack))
    if sources.crossover is not None:
        found.append(_capacity_section(sources.crossover))
    if sources.growth is not None:
        found.append(_growth_section(sources.growth, comparison))
    found.append(Section("machine", "Machine and models", tables=_machine_tables(sources), is_folded=True))
    found.append(Section("method", "Method", points=_method(sources), is_folded=True))
    found.append(Section("caveats", "Caveats", points=tuple(_caveats(sources)), is_folded=True))
    if sources.runs:
        table = run_table([(read.name, read.document) for read in sources.runs])
        found.append(Section("runs", "All runs", tables=(table,), is_folded=True))
    if sources.rejected:
        found.append(Section("files", "Files not used", tables=(file_table(sources.rejected),)))
    return [section for section in found if not section.is_empty]


def _quality_section(sources: Sources) -> Section:
    """Return cost against quality; the first screen takes its chart."""
    chart = quality_chart(points_of(sources))
    charts: list[Chart] = [] if chart is None else [chart]
    texts: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    if sources.steps is not None:
        charts.append(law_chart(sources.steps))
        texts, tables = steps_texts.explanation(sources.steps), tuple(steps_tables(sources.steps))
    return Section(
        "quality",
        "What each step costs and buys",
        texts=texts,
        charts=tuple(each for each in charts if not each.is_empty),
        tables=tables,
    )


def _load_section(sources: Sources, charts: Sequence[Chart]) -> Section:
    crossover, comparison = sources.crossover, sources.comparison
    return Section(
        "load",
        "Under load",
        answers=() if crossover is None else crossover_texts.answers(crossover),
        charts=(*charts[:1], *(() if comparison is None else cost_charts(comparison))),
        texts=_cost_texts(sources),
    )


def _colocation_section(colocation: Colocation) -> Section:
    return Section(
        "colocation",
        "Both at once: what each service takes from the other",
        texts=tuple(colocation_texts.explanation(colocation)),
        tables=tuple(colocation_tables(colocation)),
    )


def _first_output(comparison: Comparison | None) -> tuple[Chart, ...]:
    chart = None if comparison is None else first_output_chart(comparison)
    return () if chart is None or chart.is_empty else (chart,)


def _figures_section(comparison: Comparison, stack: Stack) -> Section:
    tables = (*quality_tables(comparison), *(() if stack.is_empty else (phase_table(stack),)))
    return Section("figures", "Figures: quality, and where the time goes", tables=tables, is_folded=True)


def _cost_texts(sources: Sources) -> tuple[str, ...]:
    """Return whose CPU is not known, unless the first screen says so."""
    if sources.comparison is None or sources.steps is None:
        return ()
    unknown = [source for source in sources.comparison.cpu_sources if not source.is_known]
    return tuple(f"CPU of the {each.process} is not known: {each.note}." for each in unknown)


def _capacity_section(crossover: Crossover) -> Section:
    names = {each.paradigm: each for each in crossover.services}
    texts = []
    if "sequential" in names and "parallel" in names:
        steps = names["sequential"].num_steps
        texts.append(
            f"Two models of the service: in sequence t(L, b) = t0 + L * t_step(b), with L = {steps:.0f} steps;"
            " in parallel t(b) = t0 + t_batch(b). Fitted to loads that climb."
        )
    texts += [
        f"Capacity, {each.paradigm}, p99 within {seconds(each.slo_seconds)}: {crossover_texts.capacity_verdict(each)}."
        for each in crossover.capacities
    ]
    return Section(
        "capacity",
        "Service curves, and the trials behind the capacity",
        texts=tuple(texts),
        charts=tuple(fit_charts(crossover)),
        tables=tuple(crossover_tables(crossover)),
        is_folded=True,
    )


def _growth_section(growth: Growth, comparison: Comparison | None) -> Section:
    served = growth.models[0]
    what = f"{served.name}, {served.dtype} on {served.device}: text, of which one can ask for as much as one likes."
    modes = modes_between(growth, comparison)
    return Section(
        "growth",
        "How the cost grows",
        texts=(what, *growth_texts.explanation(growth)),
        charts=tuple(growth_charts(growth, modes)),
        tables=tuple(growth_tables(growth, modes)),
        is_folded=True,
    )


def _machine_tables(sources: Sources) -> tuple[Table, ...]:
    models: dict[str, ServedModel] = {model.name: model for each in sources.documents for model in each.models}
    if not sources.documents:
        return ()
    return machine_table(sources.machines), model_table(list(models.values()))


def _method(sources: Sources) -> tuple[str, ...]:
    fit = crossover_texts.METHOD if sources.crossover is not None else ()
    growth = growth_texts.METHOD if sources.growth is not None else ()
    steps = steps_texts.METHOD if sources.steps is not None else ()
    colocation = colocation_texts.METHOD if sources.colocation is not None else ()
    return (*METHOD, *fit, *growth, *steps, *colocation)


def _caveats(sources: Sources) -> Sequence[str]:
    found = [LOCAL] if any(each.is_local for each in sources.documents) else []
    if (document := sources.comparison) is not None:
        if any(each.quality is not None for each in document.served):
            found.append(SMALL_FID)
        quality = f"Quality: {comparison_texts.quality_text(document)}."
        found += [*comparison_texts.caveats(document), quality, f"Energy: {document.energy.note}."]
        found += [*comparison_texts.control_text(document), audit_text(document.audits)]
    if sources.crossover is not None:
        found += crossover_texts.caveats(sources.crossover)
    if sources.growth is not None:
        found += [*growth_texts.caveats(sources.growth), audit_text(sources.growth.audits)]
    if sources.steps is not None:
        found += [*steps_texts.caveats(sources.steps), audit_text(sources.steps.audits)]
    if sources.colocation is not None:
        found.append(audit_text(sources.colocation.audits))
    return list(dict.fromkeys(each for each in found if each))
