"""What a sequential model buys beside a parallel one, on one screen: a row each thing, and what the difference is."""

from tandem.measure.formats import NONE, number, seconds
from tandem.measure.report.tables.table import Cell, Row, Table, value_cell
from tandem.measure.report.verdict import VIEWS, verdicts
from tandem.measure.results.comparison import Comparison, JudgedImages
from tandem.measure.results.steps import Steps, StepsPoint
from tandem.measure.results.value import Value


def gains_table(
    first: StepsPoint, second: StepsPoint, document: Steps | Comparison, comparison: Comparison | None
) -> Table | None:
    """Return the table of the sequential model and the parallel one; None where quality was not measured."""
    found = verdicts(first.quality, second.quality)
    if first.quality is None or second.quality is None or not found:
        return None
    rows = []
    for view, each in found.items():
        sides = (value_cell(side, number) for side in (each.first, each.second))
        rows.append(Row((VIEWS[view], *sides, Cell(each.word, each.figures))))
    least = (_least_varied(each, document.class_names) for each in (first.quality, second.quality))
    bits = first.bits_per_token
    rows += [
        Row(("least variance of a class (real: 1)", *least, "")),
        Row(("exact likelihood, bits a token", "yes" if bits is None else value_cell(bits, number), "none", "")),
    ]
    parts = [_first_part(comparison, paradigm) for paradigm in ("sequential", "parallel")]
    if any(parts):
        rows.append(Row(("first part of an image, streamed", *(value_cell(each, seconds) for each in parts), "")))
    heads = ("distance to real images", *(f"{each.mode.model}\n{each.mode.paradigm}" for each in (first, second)))
    return Table((*heads, "difference"), rows)


def _least_varied(judged: JudgedImages, class_names: tuple[str, ...]) -> Cell:
    classes = [(each.variance_ratio, label) for label, each in enumerate(judged.model.classes)]
    if not classes:
        return Cell(NONE)
    ratio, label = min(classes)
    return Cell(f"{ratio:.2f}", class_names[label])


def _first_part(comparison: Comparison | None, paradigm: str) -> Value | None:
    """Return how long the first message with a part of an image takes: a parallel model's is the whole image."""
    for mode in () if comparison is None else comparison.modes:
        if mode.paradigm == paradigm and mode.delivery == "streamed" and mode.alone is not None:
            return mode.alone.first_output.p50
    return None
