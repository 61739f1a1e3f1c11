"""A table as data, read from a template's text, and written for a terminal and in Markdown. The third writer is the
macro `table` of page.html. Knows not where the figures come from.
"""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich import box
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text

from tandem.measure.formats import NONE, Show, ends, printable
from tandem.measure.results.value import Value

_BAD = "bold red"
_DETAIL = "\N{UNIT SEPARATOR}"


@dataclass(frozen=True)
class Cell:
    """`detail`: how sure the value is. `is_bad`: to be marked."""

    text: str
    detail: str = ""
    is_bad: bool = False

    def __str__(self) -> str:
        return f"{self.text} ({self.detail})" if self.detail else self.text

    def __html__(self) -> str:
        """Return what `read_tables` reads as this cell."""
        return html.escape(f"{self.text}{_DETAIL}{self.detail}")


@dataclass(frozen=True)
class Row:
    """`is_bad`: to be marked as a whole. `begins_part`: something else begins here."""

    cells: Sequence[str | Cell]
    is_bad: bool = False
    begins_part: bool = False

    @property
    def whole_cells(self) -> list[Cell]:
        """The cells, those of plain text as well; all are bad in a row that is."""
        found = [cell if isinstance(cell, Cell) else Cell(cell) for cell in self.cells]
        return [replace(cell, is_bad=True) for cell in found] if self.is_bad else found


@dataclass(frozen=True)
class Table:
    """The first column names the rows. A head may have two lines, apart by a newline."""

    heads: Sequence[str]
    rows: Sequence[Row]
    title: str = ""


def value_cell(value: Value | None, show: Show) -> Cell:
    """Return the cell of a value."""
    return Cell(NONE) if value is None else Cell(show(value.value), ends(value, show))


def read_tables(text: str) -> Iterator[Table]:
    """Yield the tables of a text that have a row.

    A line `# title` begins a table, the next one has its heads, and each further one is a row. Before a row `+` begins
    a part, `!` marks it as bad, and `?` leaves it out where nothing in it is known. Each cell comes behind a bar. What
    documents say comes with bars, newlines and markup escaped, so it is never more than a cell.
    """
    found: list[tuple[str, list[str]]] = []
    for line in text.split("\n"):
        if line.startswith("#"):
            found.append((_plain(line[1:].strip()), []))
        elif line.strip():
            found[-1][1].append(line)
    for title, (heads, *rows) in found:
        read = [(row[0], _cells(row)) for row in rows]
        known = [(mark, row) for mark, row in read if mark != "?" or any(cell.text != NONE for cell in row[1:])]
        if known:
            names = [cell.text.replace("\\n", "\n") for cell in _cells(heads)]
            yield Table(names, [Row(row, is_bad=mark == "!", begins_part=mark == "+") for mark, row in known], title)


def _cells(line: str) -> list[Cell]:
    first, *others = line.split("|")[1:]
    parts = [_plain(cell).partition(_DETAIL) for cell in (first[1:].rstrip(" "), *(cell.strip(" ") for cell in others))]
    return [Cell(text, detail) for text, _, detail in parts]


def _plain(text: str) -> str:
    return html.unescape(text)


def terminal_table(table: Table) -> RichTable:
    """Return what rich prints: how sure a value is stands below it, and what is bad is red."""
    first, *others = (printable(head) for head in table.heads)
    columns = [Column(first, no_wrap=True), *(Column(head, justify="right", overflow="fold") for head in others)]
    looks: Any = {"title_justify": "left", "box": box.SIMPLE_HEAD, "show_edge": False, "padding": (0, 1, 0, 0)}
    shown = RichTable(*columns, title=printable(table.title) or None, **looks)
    for row in table.rows:
        if row.begins_part and shown.row_count:
            shown.add_section()
        shown.add_row(*map(_text, row.whole_cells))
    return shown


def _text(cell: Cell) -> Text:
    text = Text(printable(cell.text), _BAD if cell.is_bad else "")
    return text.append(f"\n{printable(cell.detail)}", "dim") if cell.detail else text


def markdown_table(table: Table, is_padded: bool = False) -> str:
    """Return lines without a newline at the end; `is_padded`: columns are as wide everywhere, for a terminal.
    What is bad is bold. A title is left to the page.
    """
    lines = [[_escape(head).replace("\n", ", ") for head in table.heads]]
    lines += [list(map(_mark, row.whole_cells)) for row in table.rows]
    widths = [max(len(line[place]) for line in lines) if is_padded else 0 for place in range(len(table.heads))]
    lines.insert(1, ["---", *["---:"] * (len(widths) - 1)])
    sides = [str.ljust, *[str.rjust] * (len(widths) - 1)]
    padded = [[side(text, width) for side, text, width in zip(sides, line, widths, strict=True)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def _mark(cell: Cell) -> str:
    text = _escape(str(cell)).replace("\n", " ")
    return f"**{text}**" if cell.is_bad and text else text


def _escape(text: str) -> str:
    return printable(text).replace("|", "\\|")
