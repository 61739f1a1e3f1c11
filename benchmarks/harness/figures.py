"""Figures by name and contender, one value a round, and what remains of them: median, lowest and highest."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import over_rounds

Spreads = Mapping[str, Mapping[str, Value]]


def spread_of(spreads: Spreads, name: str, contender: str) -> Value | None:
    """Return a figure of one contender; None if it was not measured."""
    return spreads.get(name, {}).get(contender)


class Figures:
    """Collects what each round has measured."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, name: str, contender: str, value: float) -> None:
        """Keep the value of one round; what could not be measured (NaN) is left out."""
        if math.isfinite(value):
            self._values[name][contender].append(value)

    def rounds(self, name: str, contender: str) -> list[float]:
        """Return the values of all rounds so far."""
        return list(self._values[name][contender]) if name in self._values else []

    def spreads(self) -> Spreads:
        """Return the median and range of every figure, by name and contender."""
        return {
            name: {who: over_rounds(values) for who, values in each.items() if values}
            for name, each in self._values.items()
        }
