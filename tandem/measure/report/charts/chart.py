"""A chart as data: what is drawn, and how it looks, for all that draw it. Knows neither plotly nor matplotlib, nor
where the figures come from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tandem.measure.results.phases import PHASES
from tandem.measure.results.value import Value

Style = Literal["line", "dash", "points", "hollow", "invalid", "fit", "prediction"]
Role = Literal["sequential", "parallel", "neutral"]

# line, dash: measured points joined. points, hollow: measured points alone. invalid: measured by a generator that was
# not good enough. fit, prediction: computed, no points.


@dataclass(frozen=True)
class Look:
    """How a style is drawn, whoever draws it; None: no line, or no markers."""

    line: Literal["solid", "dash", "dot", "dashdot"] | None
    marker: Literal["circle", "x"] | None
    is_hollow: bool = False


LOOKS: Mapping[Style, Look] = {
    "line": Look("solid", "circle"),
    "dash": Look("dash", "circle", is_hollow=True),
    "points": Look(None, "circle"),
    "hollow": Look(None, "circle", is_hollow=True),
    "invalid": Look(None, "x"),
    "fit": Look("dot", None),
    "prediction": Look("dashdot", None),
}
_MOST_DECADES = 3


@dataclass(frozen=True)
class Series:
    """`low` and `high` are ends of intervals; `notes` tell more of a point. `y` may be names instead of numbers.

    `left` and `right` are ends of intervals of x. `is_labelled`: the notes stand beside the points. `in_legend`:
    whether the legend names it.
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
    def look(self) -> Look:
        return LOOKS[self.style]

    @property
    def is_named(self) -> bool:
        return any(isinstance(value, str) for value in self.y)

    @property
    def has_intervals(self) -> bool:
        return any(value is not None for value in self.low)


Place = float | str


def value_series(
    name: str, role: Role, style: Style, rows: Iterable[tuple[Place, Value | None, str]], scale: float = 1.0
) -> Series:
    """Return the values that are known and positive, times `scale`, with their intervals; a row is a place, the value
    there and a note. Places that are names stand on the y axis, and the values go to the right.
    """
    known = [(place, value, note) for place, value, note in rows if value is not None and value.value > 0.0]
    places: list[Any] = [place for place, _, _ in known]
    values = [value.value * scale for _, value, _ in known]
    lows = [None if value.low is None else value.low * scale for _, value, _ in known]
    highs = [None if value.high is None else value.high * scale for _, value, _ in known]
    xs, ys = (values, places) if any(isinstance(place, str) for place in places) else (places, values)
    return Series(name, role, style, xs, ys, lows, highs, [note for *_, note in known if note])


@dataclass(frozen=True)
class Axis:
    """`ticks`: where they are of a logarithmic axis; None: evenly."""

    title: str
    ticks: Sequence[float] | None = None

    @property
    def tick_texts(self) -> list[str]:
        return [f"{tick:,g}" for tick in self.ticks or ()]


@dataclass(frozen=True)
class Level:
    """A horizontal line at `at` of the y axis; `name` may be empty."""

    at: float
    name: str = ""


@dataclass(frozen=True)
class Chart:
    """Curves over a common axis."""

    key: str
    title: str
    note: str
    x_title: str
    y_title: str
    series: Sequence[Series]
    x_log: bool = False
    y_log: bool = False
    levels: Sequence[Level] = ()

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
        return any(series.is_named for series in self.series)

    @property
    def x_axis(self) -> Axis:
        return Axis(self.x_title, log_ticks([x for each in self.series for x in each.x]) if self.x_log else None)

    @property
    def y_axis(self) -> Axis:
        values = [y for each in self.series for y in each.y if not isinstance(y, str)]
        values += [level.at for level in self.levels]
        return Axis(self.y_title, log_ticks(values) if self.y_log else None)


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
    note: str
    rows: Sequence[Row]

    @property
    def part_names(self) -> list[str]:
        """All that occur, in the order in which they happen."""
        found = {name for row in self.rows for name in row.parts}
        return [name for name in PHASES if name in found]

    @property
    def is_empty(self) -> bool:
        return not self.rows

    @property
    def parts(self) -> list[tuple[str, str, list[float]]]:
        """Each part: its name, what people read, and its shares of the rows in per cent."""
        return [(name, name.replace("_", " "), [row.percent(name) for row in self.rows]) for name in self.part_names]
