"""The first screen: the question, and what of these runs answers it; what the answer lacks, and what is wrong."""

from dataclasses import dataclass

from tandem.measure.report.front import of_paradigm, points_of
from tandem.measure.report.prose import paragraphs
from tandem.measure.report.sources import Sources
from tandem.measure.report.tables.comparison import work_table
from tandem.measure.report.tables.quality import gains_table
from tandem.measure.report.tables.table import Table
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.steps import Steps

QUESTION = "What does it cost to draw an image in sequence, and what does it buy?"


@dataclass(frozen=True)
class Story:
    """`sentences` answer the question, each begins with what of it; `gains` shows what sequence buys, `missing` says
    what they lack, and why; `warnings` come before all, loudly.
    """

    sentences: tuple[str, ...]
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    gains: Table | None = None


def tell(sources: Sources) -> Story:
    """Return what there is to tell."""
    warnings = tuple(paragraphs("answer.warnings", sources))
    document = sources.steps or sources.comparison
    if document is None:
        return Story((), tuple(paragraphs("answer.nothing")), warnings)
    if isinstance(document, Comparison) and not document.is_matched:
        costs, left_out = paragraphs("answer.unmatched", document)
        return Story((costs,), (left_out,), warnings, work_table(document))
    points = points_of(sources)
    first, second = of_paradigm(points, "sequential"), of_paradigm(points, "parallel")
    pair = None if first is None or second is None else (first, second)
    load = document.settings.load if isinstance(document, Steps) else document.settings
    capacities = [] if sources.crossover is None else sources.crossover.capacities
    # Where open loops had the same objective.
    brackets = {
        capacity.model: (capacity.low_per_second, capacity.high_per_second)
        for capacity in capacities
        if capacity.slo_seconds == load.slo_seconds
    }
    machine = document.machine if document.is_local else None
    sentences = paragraphs("answer.sentences", points, pair, machine, load.slo_seconds, brackets)
    if sentences and sources.comparison is not None:
        sentences[1:1] = paragraphs("answer.terms", sources.comparison)
    missing = paragraphs("answer.missing", points, document, capacities, bool(sentences))
    gains = None if pair is None else gains_table(*pair, document, sources.comparison)
    return Story(tuple(sentences), tuple(missing), warnings, gains)
