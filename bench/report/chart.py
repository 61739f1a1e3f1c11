"""A chart as data: what is drawn, not how. Knows neither plotly nor matplotlib, nor where the figures come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.load.document import PHASES

Style = Literal["line", "dash", "points", "hollow", "invalid", "fit", "prediction"]
Role = Literal["sequential", "parallel", "neutral"]

# line, dash: measured points joined. points, hollow: measured points alone. invalid: measured by a generator that was
# not good enough. fit, prediction: computed, no points.


@dataclass(frozen=True)
class Series:
    """`low` and `high` are ends of intervals; `notes` tell more of a point. `y` may be names instead of numbers."""

    name: str
    role: Role
    style: Style
    x: Sequence[float]
    y: Sequence[float] | Sequence[str]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    notes: Sequence[str] = ()


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
    line_at: float | None = None  # a level on the y axis
    line_name: str = ""

    @property
    def is_empty(self) -> bool:
        return not any(len(series.x) for series in self.series)


@dataclass(frozen=True)
class Row:
    """What one thing is made of: seconds by part, of PHASES."""

    label: str
    role: Role
    parts: Mapping[str, float]

    @property
    def total_seconds(self) -> float:
        return sum(self.parts.values())


@dataclass(frozen=True)
class Stack:
    """Rows, each as shares of its whole."""

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
