"""How near images are to real ones in three views: a row each set of images, real ones below."""

from collections.abc import Sequence

from tandem.measure.formats import number
from tandem.measure.report.tables.table import Columns, Table, table_of, value_cell
from tandem.measure.results.comparison import JudgedImages
from tandem.measure.results.quality import Nearness, Views

_COLUMNS: Columns[tuple[str, Views]] = {
    "Fréchet distance": lambda row: row[0],
    "judge (FID)": lambda row: value_cell(row[1].judge, number),
    "pixels": lambda row: value_cell(row[1].pixels, number),
    "gradients": lambda row: value_cell(row[1].gradients, number),
}


def views_tables(judged: Sequence[tuple[str, str, JudgedImages | None]]) -> list[Table]:
    """Return the table of images with their names and the names of their models; none where no quality was measured."""
    seen = [(name, model, each.views) for name, model, each in judged if each is not None]
    return [views_table(seen)] if seen else []


def views_table(seen: Sequence[tuple[str, str, Nearness]]) -> Table:
    """Return the table of the views of images, with their names and the names of their models."""
    title = "Distance to the test images in three kinds of features (lower is better)"
    lost = {model: each.tokenizer for _, model, each in seen if each.tokenizer is not None}
    rows = [
        *((name, each.model) for name, _, each in seen),
        *((f"real images through {model}'s tokenizer", views) for model, views in lost.items()),
        ("as many real images", seen[0][2].floor),
    ]
    return table_of(title, rows, _COLUMNS)
