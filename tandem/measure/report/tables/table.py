"""A table as data. Knows neither where it is shown nor where its figures come from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar

from tandem.measure.formats import NONE, Show, ends, optional
from tandem.measure.results.value import Value


@dataclass(frozen=True)
class Cell:
    """`detail`: how sure the value is. `is_bad`: to be marked."""

    text: str
    detail: str = ""
    is_bad: bool = False

    def __str__(self) -> str:
        return f"{self.text} ({self.detail})" if self.detail else self.text


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


T = TypeVar("T")
Columns = Mapping[str, Callable[[T], str | Cell]]
"""What each column is headed, and what of a thing stands in it."""


def columns(*described: tuple[str, str, Show]) -> Columns[Any]:
    """Return columns of (head, path of a field, how it is written); values come with how sure they are."""
    return {head: partial(_cell, attrgetter(path), show) for head, path, show in described}


def _cell(get: Callable[[Any], Any], show: Show, thing: Any) -> Cell:
    found = get(thing)
    return value_cell(found, show) if isinstance(found, Value) else Cell(optional(found, show))


def table_of(
    title: str, things: Iterable[T], columns: Columns[T], is_bad: Callable[[T], bool] = lambda _: False
) -> Table:
    """Return a table with a row a thing."""
    rows = [Row([cell(thing) for cell in columns.values()], is_bad(thing)) for thing in things]
    return Table(tuple(columns), rows, title)


def value_cell(value: Value | None, show: Show) -> Cell:
    """Return the cell of a value."""
    return Cell(NONE) if value is None else Cell(show(value.value), ends(value, show))
