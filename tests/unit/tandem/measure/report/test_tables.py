"""One table in three writings: for a terminal, in Markdown, in HTML."""

from rich.console import Console

from tandem.measure.formats import number
from tandem.measure.report.tables import Cell, Row, Table, markdown_table, terminal_table, value_cell
from tandem.measure.results.value import Value

HOSTILE = "[red]|<b>\x1b[31m"
SURE = Value(value=5.0, low=4.0, high=6.0, method="bca", count=9)
TABLE = Table(
    ("", "rate\nimages/s", "verdict"),
    [
        Row(("a", value_cell(SURE, number), Cell("met"))),
        Row(("b", value_cell(None, number), Cell("missed", is_bad=True)), begins_part=True),
        Row((HOSTILE, "1", "2"), is_bad=True),
    ],
    "title",
)


def on_terminal(table: Table, is_terminal: bool = False) -> str:
    console = Console(width=80, force_terminal=is_terminal, color_system="standard" if is_terminal else None)
    with console.capture() as capture:
        console.print(terminal_table(table))
    return capture.get()


def test_on_a_terminal_how_sure_a_value_is_stands_below_it() -> None:
    lines = [line.split() for line in on_terminal(TABLE).splitlines()]
    assert ["a", "5", "met"] in lines
    assert ["4-6"] in lines
    assert ["b", "-", "missed"] in lines


def test_on_a_terminal_what_is_bad_is_red_and_markup_is_only_text() -> None:
    text = on_terminal(TABLE, is_terminal=True)
    assert "\x1b[1;31m missed" in text
    assert "\x1b[1;31m    met" not in text
    assert "[red]|<b>�[31m" in text


def test_in_markdown_a_cell_is_a_cell_whatever_it_holds() -> None:
    lines = markdown_table(TABLE).splitlines()
    assert lines[:3] == ["|  | rate, images/s | verdict |", "| --- | ---: | ---: |", "| a | 5 (4-6) | met |"]
    assert lines[3] == "| b | - | **missed** |"
    assert lines[4].startswith("| **[red]\\|<b>")


def test_padded_markdown_has_columns_of_one_width() -> None:
    lines = markdown_table(Table(("name", "x"), [Row(("a", "100")), Row(("long name", "1"))]), is_padded=True)
    assert lines.splitlines()[2:] == ["| a         | 100 |", "| long name |   1 |"]
