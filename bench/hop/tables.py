"""Tables in Markdown: figures with their spread, and bars with what they demand and whether they are met."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.hop.bars import Bar
from bench.hop.figures import Spreads

Spread = Mapping[str, float]

_UNITS = {"%": (100, 1), "/s": (1, 0), "ms": (1, 3), "x": (1, 2), "": (1, 0)}


def bar_cell(bar: Bar, spread: Spread | None) -> str:
    """Return a figure of the bar in its unit, "-" if there is none."""
    scale, digits = _UNITS[bar.unit]
    return cell(spread, scale, digits) + (f" {bar.unit}".rstrip() if spread else "")


def demand(bar: Bar) -> tuple[str, str]:
    """Return the bar and the aim."""
    return f"{'>=' if bar.is_floor else '<='} {_limit(bar, bar.bar)}", _limit(bar, bar.aim)


def verdict(bar: Bar, spreads: Spreads, contender: str) -> str:
    """Return whether the contender meets the bar, in words."""
    return {True: "yes", False: "**no**", None: "not measured"}[bar.is_met(spreads, contender)]


def _limit(bar: Bar, value: float) -> str:
    return f"{value * 100:g} %" if bar.unit == "%" else f"{value:g} {bar.unit}".rstrip()


def cell(spread: Spread | None, scale: float, digits: int) -> str:
    """Return median (lowest-highest) of a figure times `scale`; "-" if there is none."""
    if spread is None:
        return "-"
    if spread["rounds"] == 1:
        return f"{spread['median'] * scale:.{digits}f}"
    median, low, high = (f"{spread[name] * scale:.{digits}f}" for name in ("median", "min", "max"))
    return f"{median} ({low}-{high})" if float(low) >= 0 else f"{median} ({low} to {high})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
