"""Tables for a terminal and in Markdown. The third writer is the macro `table` of page/page.html."""

from typing import Any

from rich import box
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text

from tandem.measure.formats import printable
from tandem.measure.report.tables.table import Cell, Table

_BAD = "bold red"


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
