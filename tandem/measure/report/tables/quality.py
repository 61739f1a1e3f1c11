"""How good images are: by each view, beside real ones, and what a sequential model buys beside a parallel one."""

from collections.abc import Sequence

from tandem.measure.formats import NONE, decimals, number, optional, seconds
from tandem.measure.report.front import tokenizer_fid
from tandem.measure.report.tables.table import Cell, Columns, Row, Table, table_of, value_cell
from tandem.measure.report.verdict import VIEWS, verdicts
from tandem.measure.results.comparison import Comparison, JudgedImages
from tandem.measure.results.quality import Nearness, Views
from tandem.measure.results.steps import Steps, StepsPoint
from tandem.measure.results.value import Value

# metric of quality: how it is called, how it is written
FIGURES = {
    "fid": ("FID (lower is better)", decimals(2)),
    "accuracy": ("accuracy of the class", decimals(3)),
    "precision": ("precision", decimals(3)),
    "recall": ("recall", decimals(3)),
    "coverage": ("coverage", decimals(3)),
}
LOST = "FID of real images through its tokenizer"


def gains_table(
    first: StepsPoint, second: StepsPoint, document: Steps | Comparison, comparison: Comparison | None
) -> Table | None:
    """Return the table of the sequential model and the parallel one; None where quality was not measured."""
    found = verdicts(first.quality, second.quality)
    if first.quality is None or second.quality is None or not found:
        return None
    rows = []
    for view, verdict in found.items():
        sides = (value_cell(side, number) for side in (verdict.first, verdict.second))
        rows.append(Row((VIEWS[view], *sides, Cell(verdict.word, verdict.figures))))
    least = (_least_varied(judged, document.class_names) for judged in (first.quality, second.quality))
    bits = first.bits_per_token
    rows += [
        Row(("least variance of a class (real: 1)", *least, "")),
        Row(("exact likelihood, bits a token", "yes" if bits is None else value_cell(bits, number), "none", "")),
    ]
    parts = [_first_part(comparison, paradigm) for paradigm in ("sequential", "parallel")]
    if any(parts):
        rows.append(Row(("first part of an image, streamed", *(value_cell(part, seconds) for part in parts), "")))
    heads = ("distance to real images", *(f"{point.mode.model}\n{point.mode.paradigm}" for point in (first, second)))
    return Table((*heads, "difference"), rows)


def _least_varied(judged: JudgedImages, class_names: tuple[str, ...]) -> Cell:
    classes = [(row.variance_ratio, label) for label, row in enumerate(judged.model.classes)]
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


_VIEWS_COLUMNS: Columns[tuple[str, Views]] = {
    "Fréchet distance": lambda row: row[0],
    "judge (FID)": lambda row: value_cell(row[1].judge, number),
    "pixels": lambda row: value_cell(row[1].pixels, number),
    "gradients": lambda row: value_cell(row[1].gradients, number),
}


def views_tables(judged: Sequence[tuple[str, str, JudgedImages | None]]) -> list[Table]:
    """Return the table of images with their names and the names of their models; none where no quality was measured."""
    seen = [(name, model, images.views) for name, model, images in judged if images is not None]
    return [views_table(seen)] if seen else []


def views_table(seen: Sequence[tuple[str, str, Nearness]]) -> Table:
    """Return the table of the views of images, with their names and the names of their models."""
    title = "Distance to the test images in three kinds of features (lower is better)"
    lost = {model: nearness.tokenizer for _, model, nearness in seen if nearness.tokenizer is not None}
    rows = [
        *((name, nearness.model) for name, _, nearness in seen),
        *((f"real images through {model}'s tokenizer", views) for model, views in lost.items()),
        ("as many real images", seen[0][2].floor),
    ]
    return table_of(title, rows, _VIEWS_COLUMNS)


def quality_tables(document: Comparison) -> list[Table]:
    """Return how good the images were, next to real ones; none if that was not measured."""
    if not any(served.quality for served in document.served):
        return []
    return [
        _quality(document),
        *views_tables([(served.model, served.model, served.quality) for served in document.served]),
    ]


def _quality(document: Comparison) -> Table:
    judged = [served.quality for served in document.served]
    floor = next(images.floor for images in judged if images)
    figures = [*(images and images.model for images in judged), floor]
    rows = [
        Row((name, *(Cell(NONE if figure is None else show(getattr(figure, metric))) for figure in figures)))
        for metric, (name, show) in FIGURES.items()
    ]
    rows.insert(1, Row((LOST, *map(tokenizer_loss, judged), NONE)))
    heads = ("", *(f"{served.model}\n{served.paradigm}" for served in document.served), "as many\nreal images")
    return Table(heads, rows, "how good these images were")


def tokenizer_loss(judged: JudgedImages | None) -> str:
    return optional(tokenizer_fid(judged), number)
