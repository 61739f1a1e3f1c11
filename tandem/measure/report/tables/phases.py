"""Where the time went, as a table."""

from tandem.measure.formats import known, milliseconds
from tandem.measure.report.charts.chart import Stack
from tandem.measure.report.tables.table import Row, Table


def phase_table(stack: Stack) -> Table:
    """Return the stack's figures; the last column is the sum, which is what the client waited."""
    parts = [[known(row.parts.get(name), milliseconds) for name, *_ in stack.parts] for row in stack.rows]
    rows = [Row((row.label, *own, milliseconds(row.total_seconds))) for row, own in zip(stack.rows, parts, strict=True)]
    heads = ("mean, ms", *(text for _, text, _ in stack.parts), "sum")
    return Table(heads, rows, "Where the time goes, in milliseconds")
