"""Cells of figures, and of bars with what they demand and whether they are met."""

from __future__ import annotations

from benchmarks.harness.figures import Spreads
from benchmarks.hop.bars import Bar
from tandem.measure.formats import NONE, decimals
from tandem.measure.report.tables.table import Cell, value_cell
from tandem.measure.results.value import Value

_UNITS = {"%": (100, 1), "/s": (1, 0), "ms": (1, 3), "x": (1, 2), "": (1, 0)}


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
