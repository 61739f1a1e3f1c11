"""What a report shows below its first screen, in order. A section without anything to show is left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tandem.measure.formats import NONE, count, known, number, seconds
from tandem.measure.report import colocation, crossover, growth, steps
from tandem.measure.report.charts.chart import Chart, Stack
from tandem.measure.report.charts.growth import growth_charts
from tandem.measure.report.charts.load import cost_charts, load_charts
from tandem.measure.report.charts.quality import law_chart, quality_chart
from tandem.measure.report.charts.times import cdf_charts, first_output_chart, phase_stack
from tandem.measure.report.front import points_of
from tandem.measure.report.load import run_table
from tandem.measure.report.sentences import comparison as comparison_texts
from tandem.measure.report.sentences.audits import LOCAL, audit_text
from tandem.measure.report.sources import Rejected, Sources, matched_runs
from tandem.measure.report.tables.comparison import comparison_tables, phase_table, quality_tables, terms_table
from tandem.measure.report.tables.table import Columns, Row, Table, table_of
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.growth import Growth
from tandem.measure.results.header import Machine, ServedModel

METHOD = (
    "Both models draw the same thing, one image of a class, through the same gateway. A run's warm-up is left out.",
    "Open loop: requests start when they are due, whatever became of those before, and latency counts from then: a slow"
    " server cannot hide its queue. Closed loop: so many callers, each of which asks again when it has its image.",
    "A quantile is a value that occurred; where fewer than one value lies beyond it, it is left out.",
    "An INVALID run is one in which the load generator itself was late, busy or dropped requests beyond its bounds. Its"
    " figures say more of the generator than of the server: they are shown with a cross, and nothing rests on them.",
    "A PARTIAL run was broken off; what it measured until then is shown.",
)
OWN_FID = (
    "FID is extrapolated to infinitely many images (that of few is too high, for real images as well: Chong and Forsyth"
    " 2020). Compare it with no FID from elsewhere: the features are a small classifier's of these images."
)


@dataclass(frozen=True)
class Section:
    """A heading and what comes under it, in this order. `is_folded`: it is there for whoever opens it."""

    key: str
    title: str
    texts: Sequence[str] = ()
    answers: Sequence[crossover.Answer] = ()
    charts: Sequence[Chart | Stack] = ()
    tables: Sequence[Table] = ()
    points: Sequence[str] = ()
    is_folded: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.texts or self.answers or self.charts or self.tables or self.points)


def sections(sources: Sources) -> list[Section]:
    """Return all that there is something for: what answers the question openly, how that was found folded."""
    found = (replace(each, charts=[chart for chart in each.charts if not chart.is_empty]) for each in _all(sources))
    return [section for section in found if not section.is_empty]


def _all(sources: Sources) -> Iterator[Section]:
    runs, comparison = matched_runs(sources.runs), sources.comparison
    is_matched = comparison is None or comparison.is_matched
    load = load_charts(runs, comparison if is_matched else None)
    stack = phase_stack(runs, comparison)
    yield _quality(sources)
    yield _load(sources, load[:1])
    if sources.colocation is not None:
        title = "Both at once: what each service takes from the other"
        texts = list(colocation.explanation(sources.colocation))
        yield Section("colocation", title, texts, tables=list(colocation.colocation_tables(sources.colocation)))
    yield Section("time", stack.title, charts=[stack])
    spread = [*load[1:], *cdf_charts(runs, comparison)]
    if comparison is not None:
        spread.append(first_output_chart(comparison))
    yield Section("latency", "More on latency", charts=spread, is_folded=True)
    if comparison is not None:
        tables = [*quality_tables(comparison), *([] if stack.is_empty else [phase_table(stack)])]
        yield Section("figures", "Figures: quality, and where the time goes", tables=tables, is_folded=True)
    if sources.crossover is not None:
        yield _capacity(sources.crossover)
    if sources.growth is not None:
        yield _growth(sources.growth, comparison)
    if sources.documents:
        models = {model.name: model for each in sources.documents for model in each.models}
        tables = [_machine_table(sources.machines), table_of("Models", models.values(), _MODELS)]
        yield Section("machine", "Machine and models", tables=tables, is_folded=True)
    yield Section("method", "Method", points=_method(sources), is_folded=True)
    yield Section("caveats", "Caveats", points=list(dict.fromkeys(filter(None, _caveats(sources)))), is_folded=True)
    if sources.runs:
        table = run_table([(run.name, run.document) for run in sources.runs])
        yield Section("runs", "All runs", tables=[table], is_folded=True)
    if sources.rejected:
        table = table_of("Files not used", sources.rejected, _FILES, lambda _: True)
        yield Section("files", "Files not used", tables=[table])


def _quality(sources: Sources) -> Section:
    """Return cost against quality; the first screen takes its chart."""
    chart = quality_chart(points_of(sources))
    section = Section("quality", "What each step costs and buys", charts=[] if chart is None else [chart])
    if sources.steps is None:
        return section
    texts, tables = steps.explanation(sources.steps), steps.steps_tables(sources.steps)
    return replace(section, charts=[*section.charts, law_chart(sources.steps)], texts=texts, tables=tables)


def _load(sources: Sources, charts: Sequence[Chart]) -> Section:
    comparison = sources.comparison
    answers = [] if sources.crossover is None else crossover.answers(sources.crossover)
    if comparison is None:
        return Section("load", "Under load", answers=answers, charts=charts)
    if not comparison.is_matched:
        return Section("load", "Under load", tables=comparison_tables(comparison))
    # Whose CPU is not known, unless the first screen says so.
    unknown = [each for each in comparison.cpu_sources if not each.is_known and sources.steps is not None]
    texts = [f"CPU of the {each.process} is not known: {each.note}." for each in unknown]
    tables = [] if comparison.beside is None else [terms_table(comparison, comparison.beside)]
    return Section("load", "Under load", texts, answers, [*charts, *cost_charts(comparison)], tables)


def _capacity(document: Crossover) -> Section:
    names = {each.paradigm: each for each in document.services}
    texts = []
    if "sequential" in names and "parallel" in names:
        texts.append(
            "Two models of the service: in sequence t(L, b) = t0 + L * t_step(b), with L ="
            f" {names['sequential'].num_steps:.0f} steps; in parallel t(b) = t0 + t_batch(b). Fitted to loads that"
            " climb."
        )
    for each in document.capacities:
        slo, verdict = seconds(each.slo_seconds), crossover.capacity_verdict(each)
        texts.append(f"Capacity, {each.paradigm}, p99 within {slo}: {verdict}.")
    title = "Service curves, and the trials behind the capacity"
    charts, tables = crossover.fit_charts(document), crossover.crossover_tables(document)
    return Section("capacity", title, texts, charts=charts, tables=tables, is_folded=True)


def _growth(document: Growth, comparison: Comparison | None) -> Section:
    served, modes = document.models[0], growth.modes_between(document, comparison)
    what = f"{served.name}, {served.dtype} on {served.device}: text, of which one can ask for as much as one likes."
    texts = [what, *growth.explanation(document)]
    charts, tables = growth_charts(document, modes), growth.growth_tables(document, modes)
    return Section("growth", "How the cost grows", texts, charts=charts, tables=tables, is_folded=True)


def _method(sources: Sources) -> list[str]:
    methods = (
        (sources.crossover, crossover.METHOD),
        (sources.growth, growth.METHOD),
        (sources.steps, steps.METHOD),
        (sources.colocation, colocation.METHOD),
    )
    is_matched = sources.comparison is None or sources.comparison.is_matched
    return [*METHOD[not is_matched :], *(text for document, texts in methods if document is not None for text in texts)]


def _caveats(sources: Sources) -> Iterator[str]:
    if any(each.is_local for each in sources.documents):
        yield LOCAL
    if (document := sources.comparison) is not None:
        if any(each.quality is not None for each in document.served):
            yield OWN_FID
        yield from comparison_texts.caveats(document)
        yield f"Quality: {comparison_texts.quality_text(document)}."
        yield from comparison_texts.control_text(document)
        yield audit_text(document.audits)
    if sources.crossover is not None:
        yield from crossover.caveats(sources.crossover)
    if sources.growth is not None:
        yield from (*growth.caveats(sources.growth), audit_text(sources.growth.audits))
    if sources.steps is not None:
        yield from (*steps.caveats(sources.steps), audit_text(sources.steps.audits))
    if sources.colocation is not None:
        yield audit_text(sources.colocation.audits)


def _machine_table(machines: Sequence[Machine]) -> Table:
    """Return what the measurements ran on."""
    rows: list[Row] = []
    for each in machines:
        packages = ", ".join(f"{name} {version}" for name, version in each.packages.items())
        cells = (
            ("processor", each.cpu_model),
            ("cores", f"{each.num_usable_cores} usable of {each.num_cores}"),
            ("memory", f"{number(each.memory_bytes / 2**30)} GiB"),
            ("GPUs", ", ".join(each.gpus) or "none"),
            ("system", each.operating_system),
            ("software", f"{each.python}, {packages}"),
        )
        rows += map(Row, cells)
    return Table(("", "generator's host"), rows, "Machine")


_MODELS: Columns[ServedModel] = {
    "model": lambda model: model.name,
    "paradigm": lambda model: model.paradigm,
    "modality": lambda model: model.modality,
    "runs on": lambda model: ", ".join(filter(None, (model.device, *model.providers))),
    "computed in": lambda model: model.dtype or NONE,
    "by": lambda model: model.runtime or NONE,
    "instances": lambda model: known(model.num_instances, count),
    "threads of each": lambda model: known(model.threads_per_instance, count),
    "parameters": lambda model: known(model.num_parameters, count),
    "steps an image": lambda model: known(model.tokens_per_image, count),
    "licence": lambda model: model.licence,
}
_FILES: Columns[Rejected] = {"file": lambda each: each.name, "reason": lambda each: each.reason}
