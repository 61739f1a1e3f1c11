"""Figures by name and contender, one value a round, and what remains of them: median, lowest and highest."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TypeVar

from benchmarks.harness.run import LoadFailed
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import over_rounds

T = TypeVar("T")
Spreads = Mapping[str, Mapping[str, Value]]


def spread_of(spreads: Spreads, name: str, contender: str) -> Value | None:
    """Return a figure of one contender; None if it was not measured."""
    return spreads.get(name, {}).get(contender)


class Figures:
    """Collects what each round has measured; `failures` says which turns broke off, and why."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self._values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, name: str, contender: str, value: float) -> None:
        """Keep the value of one round; what could not be measured (NaN) is left out."""
        if math.isfinite(value):
            self._values[name][contender].append(value)

    def tried(self, turn: str, measure: Callable[[], T]) -> T | None:
        """Return what `measure` does; None, and remember why, if the turn breaks off."""
        print(turn, file=sys.stderr, flush=True)
        try:
            return measure()
        except (LoadFailed, OSError, RuntimeError) as error:
            print(f"{turn}: {error}", file=sys.stderr, flush=True)
            self.failures.append(f"{turn}: {str(error).strip().splitlines()[-1]}")
            return None

    def spreads(self) -> Spreads:
        """Return the median and range of every figure, by name and contender."""
        return {
            name: {who: over_rounds(values) for who, values in each.items() if values}
            for name, each in self._values.items()
        }
