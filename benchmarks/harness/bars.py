"""What figures must reach, whether they do, and how a page shows it: a bar is judged by the worst of its figures.

And what a run that is held against bars has found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.harness.figures import Spreads, spread_of
from benchmarks.harness.servers import NOW
from benchmarks.harness.surroundings import Surroundings
from tandem.measure.formats import NONE, decimals
from tandem.measure.report.tables.table import Cell, value_cell
from tandem.measure.results.value import Value

_UNITS = {"%": (100, 1), "/s": (1, 0), "ms": (1, 3), "x": (1, 2), "": (1, 0)}


@dataclass(frozen=True)
class Bar:
    """`figures` must each have a median whose magnitude is at most `bar`, or at least, if `is_floor`."""

    what: str
    figures: tuple[str, ...]
    bar: float
    aim: float
    unit: str
    is_floor: bool = False

    def worst(self, spreads: Spreads, contender: str) -> Value | None:
        """Return the spread of the figure that is furthest from the bar; None if any of them was not measured."""
        found = [spread_of(spreads, name, contender) for name in self.figures]
        measured = [each for each in found if each is not None]
        if len(measured) < len(found):
            return None
        choose = min if self.is_floor else max
        return choose(measured, key=lambda each: abs(each.value))

    def is_met(self, spreads: Spreads, contender: str) -> bool | None:
        """Return whether the contender is on the right side; None if it was not measured."""
        worst = self.worst(spreads, contender)
        if worst is None:
            return None
        median = abs(worst.value)
        return median >= self.bar if self.is_floor else median <= self.bar


def cell(value: Value | None, scale: float, digits: int) -> Cell:
    """Return the cell of a figure times `scale`."""
    return value_cell(value, decimals(digits, scale))


def bar_cells(bar: Bar, spreads: Spreads, *contenders: str) -> list[str]:
    """Return the bar: what it is of, the contenders' figures, the bar, the aim, and whether the last one meets it."""
    scale, digits = _UNITS[bar.unit]
    worst = [bar.worst(spreads, contender) for contender in contenders]
    figures = [NONE if each is None else f"{cell(each, scale, digits)} {bar.unit}".rstrip() for each in worst]
    verdict = {True: "yes", False: "**no**", None: "not measured"}[bar.is_met(spreads, contenders[-1])]
    demand = f"{'>=' if bar.is_floor else '<='} {_limit(bar, bar.bar)}"
    return [bar.what, *figures, demand, _limit(bar, bar.aim), verdict]


def _limit(bar: Bar, value: float) -> str:
    return f"{value * 100:g} %" if bar.unit == "%" else f"{value:g} {bar.unit}".rstrip()


@dataclass(frozen=True)
class Results:
    """All that one run has found; `failures` says which turns broke off, and why. Seconds are those of the whole.

    `more`: what else the document says.
    """

    bench: str
    around: Surroundings
    bars: Sequence[Bar]
    rounds: int
    spreads: Spreads
    failures: Sequence[str]
    seconds: float
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def are_met(self) -> bool:
        """Whether nothing failed and every bar is met."""
        return not self.failures and all(bar.is_met(self.spreads, NOW) for bar in self.bars)

    def as_json(self) -> dict[str, Any]:
        """Return everything ready for JSON."""
        return {
            "bench": self.bench,
            "surroundings": self.around,
            "rounds": self.rounds,
            "seconds": self.seconds,
            **self.more,
            "failures": self.failures,
            "bars": [self._judged(bar) for bar in self.bars],
            "figures": self.spreads,
        }

    def _judged(self, bar: Bar) -> dict[str, Any]:
        return {**asdict(bar), "worst": bar.worst(self.spreads, NOW), "is_met": bar.is_met(self.spreads, NOW)}

    def head(self, title: str, text: str, notes: Iterable[str] = ()) -> str:
        """Return how a page begins: when and where it was, `text`, and a list of notes and of what broke off."""
        before = f"commit {self.around.before[:12]}" if self.around.before else "not measured"
        listed = [f"- {each}\n" for each in (*notes, *(f"broken off: {each}" for each in self.failures))]
        return (
            f"# {title}\n\n`python -m benchmarks.{self.bench}`, {self.around.date}, {self.rounds} rounds in"
            f" {self.seconds:.0f} s, contenders in turn; median (lowest-highest) of the rounds. `now`: commit"
            f" {self.around.commit}; `before`: {before}.\n\nAll on one machine: {self.around.text}{text}\n\n"
            + "".join(listed)
        )
