"""Figures by name and contender, one value a round; what remains of them, and the bars that they must reach."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from benchmarks.harness.load import LoadFailed
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import over_rounds

DIRECT, NOW = "direct", "now"
"""Contenders: a server without the gateway, and what this tree has."""

T = TypeVar("T")
Spreads = Mapping[str, Mapping[str, Value]]


class Figures:
    """Collects what each round has measured; `failures` says which turns broke off, and why."""

    def __init__(self, most_attempts: int = 3) -> None:
        self.failures: list[str] = []
        self.audited_runs = AuditedRuns(most_attempts)
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
            name: {who: over_rounds(values) for who, values in found.items()} for name, found in self._values.items()
        }


@dataclass(frozen=True)
class Bar:
    """`figures` must each have a median whose magnitude is at most `bar`, or at least, if `is_floor`: the worst of them
    decides.
    """

    what: str
    figures: tuple[str, ...]
    bar: float
    aim: float
    unit: str
    is_floor: bool = False

    def judge(self, spreads: Spreads) -> dict[str, Any]:
        """Return the bar as a result has it: with the figure that is furthest from it, and whether that one meets it;
        None for both if any figure was not measured.
        """
        found = [value for name in self.figures if (value := spreads.get(name, {}).get(NOW)) is not None]
        worst = None
        if len(found) == len(self.figures):
            worst = (min if self.is_floor else max)(found, key=lambda value: abs(value.value))
        is_met = (
            None if worst is None else abs(worst.value) >= self.bar if self.is_floor else abs(worst.value) <= self.bar
        )
        return {**asdict(self), "worst": worst, "is_met": is_met}
