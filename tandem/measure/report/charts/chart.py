"""A chart as data. Knows neither how it is drawn, nor where the figures come from."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from tandem.measure.formats import number
from tandem.measure.report.prose import sentence
from tandem.measure.results.value import PHASES, Value

Style = Literal["line", "dash", "points", "hollow", "invalid", "fit", "prediction"]
Role = Literal["sequential", "parallel", "neutral"]

MILLISECONDS = 1e3


_MOST_DECADES = 3


@dataclass(frozen=True)
class Series:
    """`low` and `high` are ends of intervals of y, `left` and `right` of x; `notes` tell more of a point. `y` may be
    names instead of numbers. `is_labelled`: the notes stand beside the points. `in_legend`: the legend names it.
    """

    name: str
    role: Role
    style: Style
    x: Sequence[float]
    y: Sequence[float] | Sequence[str]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    notes: Sequence[str] = ()
    left: Sequence[float | None] = ()
    right: Sequence[float | None] = ()
    is_labelled: bool = False
    in_legend: bool = True

    @property
    def titles(self) -> list[str]:
        """What there is to say of each point, for whoever points at it."""
        rows: Any = zip_longest(self.x, self.y, self.low, self.high, self.left, self.right, self.notes)
        return [_title(self.name, *row) for row in rows]


def _title(name: str, x: float, y: float | str, low: Any, high: Any, left: Any, right: Any, note: str | None) -> str:
    across, along = number(x), y if isinstance(y, str) else number(y)
    if left is not None and right is not None:
        across += f" ({number(left)} to {number(right)})"
    if low is not None and high is not None:
        along += f" ({number(low)} to {number(high)})"
    return f"{name}: {across}, {along}{f'; {note}' if note else ''}"


def value_series(
    name: str, role: Role, style: Style, rows: Iterable[tuple[float | str, Value | None, str]], scale: float = 1.0
) -> Series:
    """Return the values that are known and positive, times `scale`, with their intervals; a row is a place, the value
    there and a note. Places that are names stand on the y axis, and the values go to the right.
    """
    known = [(place, value, note) for place, value, note in rows if value is not None and value.value > 0.0]
    places: list[Any] = [place for place, _, _ in known]
    values = [value.value * scale for _, value, _ in known]
    lows = [None if value.low is None else value.low * scale for _, value, _ in known]
    highs = [None if value.high is None else value.high * scale for _, value, _ in known]
    if not any(low is not None for low in lows):
        lows, highs = [], []
    notes = [note for *_, note in known if note]
    if any(isinstance(place, str) for place in places):
        return Series(name, role, style, values, places, notes=notes, left=lows, right=highs)
    return Series(name, role, style, places, values, lows, highs, notes)


@dataclass(frozen=True)
class Chart:
    """Curves over a common axis. `levels`: horizontal lines, where they are on the y axis and how they are called.
    `facts`: what the note below it tells, see templates/charts.txt.
    """

    key: str
    title: str
    x_title: str
    y_title: str
    series: Sequence[Series]
    x_log: bool = True
    y_log: bool = True
    levels: Sequence[tuple[float, str]] = ()
    facts: Sequence[Any] = ()

    @property
    def note(self) -> str:
        return sentence(f"charts.{self.key.replace('-', '_')}", *self.facts)

    @property
    def is_empty(self) -> bool:
        return not self.drawn

    @property
    def drawn(self) -> list[Series]:
        """The series that have a point."""
        return [series for series in self.series if len(series.x)]

    @property
    def is_named(self) -> bool:
        """Whether the y axis has names, which go downwards."""
        return any(isinstance(y, str) for series in self.series for y in series.y)

    @property
    def x_ticks(self) -> list[float] | None:
        """Where the ticks of a logarithmic axis are; None: evenly."""
        return log_ticks([x for series in self.series for x in series.x]) if self.x_log else None

    @property
    def y_ticks(self) -> list[float] | None:
        values = [y for series in self.series for y in series.y if not isinstance(y, str)]
        return log_ticks([*values, *(at for at, _ in self.levels)]) if self.y_log else None


def log_ticks(values: Sequence[float]) -> list[float]:
    """Return 1, 2, 5, 10, ... over the positive values, or powers of ten alone where there would be too many."""
    positive = [value for value in values if value > 0]
    if not positive:
        return []
    decades = range(math.floor(math.log10(min(positive))), math.floor(math.log10(max(positive))) + 1)
    steps = (1, 2, 5) if len(decades) <= _MOST_DECADES else (1,)
    return [step * 10.0**decade for decade in decades for step in steps] + [10.0 ** (decades[-1] + 1)]


@dataclass(frozen=True)
class Row:
    """What one thing is made of: seconds by part, of PHASES."""

    label: str
    role: Role
    parts: Mapping[str, float]

    @property
    def total_seconds(self) -> float:
        return sum(self.parts.values())

    def percent(self, name: str) -> float:
        return self.parts.get(name, 0.0) / self.total_seconds * 100 if self.total_seconds else 0.0


@dataclass(frozen=True)
class Stack:
    """Rows, each as shares of its whole."""

    x_title = "% of what the client waited"

    key: str
    title: str
    rows: Sequence[Row]

    @property
    def note(self) -> str:
        return sentence(f"charts.{self.key}")

    @property
    def is_empty(self) -> bool:
        return not self.rows

    @property
    def parts(self) -> list[tuple[str, str, list[float]]]:
        """Each part that occurs, in the order in which they happen: its name, what people read, and its shares of the
        rows in per cent.
        """
        found = [name for name in PHASES if any(name in row.parts for row in self.rows)]
        return [(name, name.replace("_", " "), [row.percent(name) for row in self.rows]) for name in found]
