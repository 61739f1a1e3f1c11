"""Results as JSON, as files beside each other, and as tables on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich.console import Console

from tandem.measure.report.tables.table import Cell, Row, Table
from tandem.measure.report.tables.writers import markdown_table, terminal_table


def dumped(results: Any, indent: int | None = None) -> str:
    """Return JSON; parts of documents may be anywhere in it."""
    return json.dumps(results, indent=indent, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    raise TypeError(f"{type(value).__name__} is no part of a result")


def table_of(heads: Sequence[str], rows: Iterable[Sequence[str | Cell]]) -> str:
    """Return a table in Markdown."""
    return markdown_table(Table(heads, [Row(cells) for cells in rows])) + "\n"


def write(folder: Path, name: str, results: Any, page: str) -> None:
    """Write the results as JSON and as a page in Markdown, and print the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(dumped(results, indent=1) + "\n")
    (folder / f"{name}.md").write_text(page)
    sys.stdout.write(page)


def show(table: Table, results: Any, notes: Iterable[str] = ()) -> None:
    """Print a table with notes below it, and the results as one line of JSON."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(terminal_table(table))
    for note in filter(None, notes):
        console.print(note, markup=False)
    print(dumped(results))
