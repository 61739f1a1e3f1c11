"""How a race's figures are shown at its end: a column a way to ask, a row a figure."""

from __future__ import annotations

from rich.table import Table

from bench.compare.document import Comparison, WayResult
from tandem.cli.comparison_table import NONE, better_by, shown, ways_table
from tandem.cli.terminal import seconds_text

NOTE = (
    "Medians of the client's own times, one request at a time, warm-up left out; below them their 95 % confidence"
    " intervals (bootstrap over rounds). Better by: of the unary calls, where only the paradigm differs."
    "\n`tandem bench compare` measures the same under load, with CPU time and quality."
)


def race_table(document: Comparison) -> Table:
    """Return the table of a comparison at load 1."""
    table = ways_table(document, "race: one image of a class")
    for name, field in (("first output p50", "first_output"), ("whole image p50", "latency")):
        cells = [shown(getattr(way.alone, field).p50, seconds_text) if way.alone else NONE for way in document.ways]
        table.add_row(name, *cells, better_by(document, None, f"{field}_p50_seconds"))
    table.add_row("requests, failed", *(_counts(way) for way in document.ways), "")
    return table


def _counts(way: WayResult) -> str:
    total = sum(way.codes.values())
    return f"{total}, {total - way.codes.get('OK', 0)}"
