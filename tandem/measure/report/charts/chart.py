"""A chart as data. Knows neither how it is drawn, nor where the figures come from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from tandem.measure.formats import number, with_interval
from tandem.measure.report.prose import sentence
from tandem.measure.results.value import PHASES, Value

Style = Literal["line", "dash", "points", "hollow", "invalid", "fit", "prediction"]
Role = Literal["sequential", "parallel", "neutral"]

MILLISECONDS = 1e3


Place = float | str | Value


def at(place: Place) -> Any:
    """Return where a point stands on an axis."""
    return place.value if isinstance(place, Value) else place


@dataclass(frozen=True)
class Series:
    """Points, whose places may have intervals, or names on the y axis; `notes` tell more of a point. `is_labelled`: the
    notes stand beside the points. `in_legend`: the legend names it.
    """

    name: str
    role: Role
    style: Style
    x: Sequence[Place]
    y: Sequence[Place]
    notes: Sequence[str] = ()
    is_labelled: bool = False
    in_legend: bool = True

    @property
    def titles(self) -> list[str]:
        """What there is to say of each point, for whoever points at it."""
        rows = zip_longest(map(_told, self.x), map(_told, self.y), self.notes)
        return [f"{self.name}: {x}, {y}{f'; {note}' if note else ''}" for x, y, note in rows]


def _told(place: Place) -> str:
    if isinstance(place, Value):
        return with_interval(place, number)
    return place if isinstance(place, str) else number(place)


def scaled(value: Value, scale: float) -> Value:
    """Return a value, and its interval, times `scale`."""
    ends = {name: None if end is None else end * scale for name, end in (("low", value.low), ("high", value.high))}
    return value.model_copy(update={"value": value.value * scale, **ends})


def value_series(
    name: str, role: Role, style: Style, rows: Iterable[tuple[float | str, Value | None, str]], scale: float = 1.0
) -> Series:
    """Return the values that are known and positive, times `scale`; a row is a place, the value there and a note.
    Places that are names stand on the y axis, and the values go to the right.
    """
    known = [(place, scaled(value, scale), note) for place, value, note in rows if value and value.value > 0.0]
    places, values = [place for place, _, _ in known], [value for _, value, _ in known]
    across, along = (values, places) if any(isinstance(place, str) for place in places) else (places, values)
    return Series(name, role, style, across, along, [note for *_, note in known if note])


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
