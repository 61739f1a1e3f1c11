"""Results as JSON, as files beside each other, and as tables on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich.console import Console

from benchmarks.harness.figures import Spreads
from benchmarks.harness.surroundings import Surroundings
from tandem.measure.formats import Show, number
from tandem.measure.report.prose import paragraphs
from tandem.measure.report.tables.table import Cell, Row, Table, value_cell
from tandem.measure.report.tables.writers import markdown_table, terminal_table
from tandem.measure.results.audits import Audits
from tandem.measure.results.files import whole


def dumped(results: Any, indent: int | None = None) -> str:
    """Return JSON; parts of documents may be anywhere in it."""
    return json.dumps(results, indent=indent, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Surroundings):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} is no part of a result")


def table_of(heads: Sequence[str], rows: Iterable[Sequence[str | Cell]]) -> str:
    """Return a table in Markdown."""
    return markdown_table(Table(heads, [Row(cells) for cells in rows])) + "\n"


def spread_table(
    spreads: Spreads, contenders: Sequence[str], show: Show = number, title: str = "", figure: str = ""
) -> Table:
    """Return a row a figure and a column a contender; a figure that one does not have is left open.

    `figure` is the heading of the first column.
    """
    rows = [Row((name, *(value_cell(each.get(who), show) for who in contenders))) for name, each in spreads.items()]
    return Table((figure, *contenders), rows, title)


def save(folder: Path, name: str, results: Any, page: str) -> None:
    """Write the results as JSON and as a page in Markdown, each file whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, content in (("json", dumped(results, indent=1) + "\n"), ("md", page)):
        with whole(folder / f"{name}.{kind}") as target:
            target.write_text(content)


def write(folder: Path, name: str, results: Any, page: str) -> None:
    """Write both files, and print the page."""
    save(folder, name, results, page)
    sys.stdout.write(page)


def audit_lines(audits: Audits) -> list[str]:
    """Return what the load generator says of itself."""
    return [*paragraphs("audits.text", audits), *paragraphs("audits.problem", audits)]


def show(table: Table, results: Mapping[str, Any], audits: Audits | None = None) -> None:
    """Print a table, below it what the load generator says of itself, if it took part, and all as one line of JSON."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(terminal_table(table))
    if audits is not None:
        results = {**results, "audits": audits}
        console.print("\n".join(audit_lines(audits)), markup=False)
    print(dumped(results))
