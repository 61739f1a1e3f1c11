"""The first screen: the question, one picture, and three sentences with the numbers of these runs that answer it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tandem.measure.report.charts.chart import Chart, Stack
from tandem.measure.report.charts.quality import KEY
from tandem.measure.report.crossover import capacity_verdict
from tandem.measure.report.front import points_of
from tandem.measure.report.sentences.answer import Sentence, answer, missing, of_paradigm
from tandem.measure.report.sentences.comparison import headlines
from tandem.measure.report.sentences.terms import terms
from tandem.measure.report.sources import Sources
from tandem.measure.report.tables.comparison import work_table
from tandem.measure.report.tables.gains import gains_table
from tandem.measure.report.tables.table import Table
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.steps import Steps

_NOTHING = (
    "These files hold no comparison of models that draw the same images, so they do not answer this;"
    " `tandem bench tradeoff` measures one."
)
_TOO_LITTLE = "Too little was measured before it ended, so there is no answer here."
_NAMES = {"steps": "measurement over steps", "colocation": "measurement of co-location"}
QUESTION = "What does it cost to draw an image in sequence, and what does it buy?"


@dataclass(frozen=True)
class Story:
    """`sentences` answer the question, `gains` shows what sequence buys, `missing` says what they lack, and why;
    `warnings` come before all, loudly.
    """

    sentences: tuple[Sentence, ...]
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    gains: Table | None = None


def tell(sources: Sources) -> Story:
    """Return what there is to tell."""
    points = points_of(sources)
    document = sources.steps or sources.comparison
    if document is None:
        return Story((), (_NOTHING,), tuple(warnings(sources)))
    if isinstance(document, Comparison) and not document.is_matched:
        text, *_ = headlines(document)
        told = Sentence("What each costs", text)
        left_out = f"Left out are quality and the crossover: {document.judgement.reason}."
        return Story((told,), (left_out,), tuple(warnings(sources)), work_table(document))
    load = document.settings.load if isinstance(document, Steps) else document.settings
    machine = document.machine if document.is_local else None
    capacities = [] if sources.crossover is None else sources.crossover.capacities
    # Where open loops had the same objective.
    brackets = {
        each.model: (each.low_per_second, each.high_per_second)
        for each in capacities
        if each.slo_seconds == load.slo_seconds
    }
    sentences = tuple(answer(points, machine, load.slo_seconds, brackets))
    if sentences and sources.comparison is not None and (text := terms(sources.comparison)):
        sentences = (sentences[0], Sentence("On what terms", text), *sentences[1:])
    lacking = [] if sentences else [_TOO_LITTLE]
    lacking += missing(points, document.judgement, document.cpu_sources)
    lacking += [
        f"How many images a second {each.model} carries is {capacity_verdict(each)}."
        for each in capacities
        if each.low_per_second is None and each.high_per_second is None
    ]
    first, second = of_paradigm(points, "sequential"), of_paradigm(points, "parallel")
    gains = None if first is None or second is None else gains_table(first, second, document, sources.comparison)
    return Story(sentences, tuple(lacking), tuple(warnings(sources)), gains)


def warnings(sources: Sources) -> list[str]:
    """Return what a reader must know before any figure."""
    found = []
    invalid = [run.name for run in sources.runs if not run.document.audit.valid]
    partial = [run.name for run in sources.runs if run.document.is_partial]
    if invalid:
        found.append(
            f"INVALID: in {len(invalid)} of {len(sources.runs)} load runs the generator itself was not good enough;"
            " they are marked with a cross and count for nothing: " + _listed(invalid)
        )
    if partial:
        found.append(f"PARTIAL: {len(partial)} of {len(sources.runs)} load runs were broken off: {_listed(partial)}")
    for document in (sources.comparison, sources.crossover, sources.growth, sources.steps, sources.colocation):
        if document is None:
            continue
        what = _NAMES.get(document.kind, document.kind)
        # Runs that are invalid are told of above.
        own = [problem for problem in document.problems if not invalid or not problem.startswith("INVALID")]
        if document.is_partial:
            found.append(f"PARTIAL: the {what} was broken off: {'; '.join(document.problems)}")
        elif own:
            found.append(f"The {what} had problems: {_listed(own)}")
    if len(sources.machines) > 1:
        found.append(f"MIXED: these results come from {len(sources.machines)} different machines or set-ups.")
    if sources.rejected:
        found.append(f"{len(sources.rejected)} files could not be used; see the list of files.")
    return found


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def first_chart(charts: Sequence[Chart | Stack]) -> Chart | None:
    """Return the one chart of the first screen: cost against quality, or else latency over load, of both paradigms if
    there is such a one.
    """
    by_key = {chart.key: chart for chart in charts if isinstance(chart, Chart)}
    if KEY in by_key:
        return by_key[KEY]
    known = [by_key[key] for key in ("open", "compared", "closed") if key in by_key]
    return next(filter(_has_both, known), known[0] if known else None)


def _has_both(chart: Chart) -> bool:
    """Return whether both paradigms have a curve: three sound points at least."""
    curves = {each.role for each in chart.series if each.style == "line" and len(each.x) >= 3}
    return {"sequential", "parallel"} <= curves
