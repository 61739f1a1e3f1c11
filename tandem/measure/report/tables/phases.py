"""Where the time went, as a table."""

from tandem.measure.formats import known, milliseconds
from tandem.measure.report.charts.chart import Stack
from tandem.measure.report.tables.table import Row, Table


def phase_table(stack: Stack) -> Table:
    """Return the stack's figures; the last column is the sum, which is what the client waited."""
    names = stack.part_names
    rows = [
        Row(
            (
                row.label,
                *(known(row.parts.get(name), milliseconds) for name in names),
                milliseconds(row.total_seconds),
            )
        )
        for row in stack.rows
    ]
    heads = ("mean, ms", *(name.replace("_", " ") for name in names), "sum")
    return Table(heads, rows, "Where the time goes, in milliseconds")
