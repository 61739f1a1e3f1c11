"""Figures by name and contender, one value a round; what remains of them, and the bars that they must reach."""

from __future__ import annotations

import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from benchmarks.harness.load import LoadFailed
from benchmarks.harness.surroundings import surroundings, without_places
from benchmarks.peers.installing import CannotSetUp
from tandem.client import TandemRpcError
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.results.value import Value
from tandem.measure.statistics.interleaving import turns
from tandem.measure.statistics.intervals import over_rounds

DIRECT, NOW = "direct", "now"
"""Contenders: a server without the gateway, and what this tree has."""

T = TypeVar("T")
Round = Mapping[str, float]
Spreads = Mapping[str, Mapping[str, Value]]


class Figures:
    """Collects what each round has measured, from now on. `failures` says which turns broke off, `left_out` who cannot
    be had, and why.
    """

    def __init__(self, most_attempts: int = 3) -> None:
        self.around = surroundings()
        self.failures: list[str] = []
        self.left_out: dict[str, str] = {}
        self.audited_runs = AuditedRuns(most_attempts)
        self._values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._began = time.monotonic()

    def add(self, name: str, contender: str, value: float) -> None:
        """Keep the value of one round; what could not be measured (NaN) is left out."""
        if math.isfinite(value):
            self._values[name][contender].append(value)

    def measure_rounds(
        self,
        rounds: int,
        measures: Mapping[str, Callable[[int], Round]],
        compare: Callable[[Mapping[str, Round]], Mapping[str, Round]] = lambda seen: {},
        what: str = "",
    ) -> None:
        """Let contenders measure their figures once a round, in turns; one that fails is missing from that round.

        `measures` are told the round's number. `compare` makes more of a round's figures: all are by name and
        contender. `what` tells on which of several tasks they are.
        """
        orders = turns(list(measures), np.random.default_rng(0))
        for number in range(rounds):
            seen: dict[str, dict[str, float]] = defaultdict(dict)
            for who in next(orders):
                turn = ", ".join(filter(None, (f"round {number + 1} of {rounds}", who, what)))
                for name, value in (self.attempt(turn, partial(measures[who], number)) or {}).items():
                    seen[name][who] = value
            for name, values in {**seen, **compare(seen)}.items():
                for who, value in values.items():
                    self.add(name, who, value)

    def attempt(self, turn: str, measure: Callable[[], T]) -> T | None:
        """Return what `measure` does; None, and remember why, if the turn breaks off or its peer cannot be had."""
        print(turn, file=sys.stderr, flush=True)
        try:
            return measure()
        except CannotSetUp as error:
            self.left_out[turn] = without_places(str(error))
        except (LoadFailed, OSError, RuntimeError, TandemRpcError) as error:
            print(f"{turn}: {error}", file=sys.stderr, flush=True)
            self.failures.append(f"{turn}: {without_places(str(error).strip().splitlines()[-1])}")
        return None

    def spreads(self) -> Spreads:
        """Return the median and range of every figure, by name and contender."""
        return {
            name: {who: over_rounds(values) for who, values in found.items()} for name, found in self._values.items()
        }

    def document(
        self, bench: str, rounds: int, *, bars: Sequence[Bar] = (), about: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return everything that a run has found, ready to be written; `about`: what else the document says."""
        spreads = self.spreads()
        return {
            "bench": bench,
            "surroundings": self.around,
            "rounds": rounds,
            "seconds": round(time.monotonic() - self._began, 1),
            **(about or {}),
            "audits": self.audited_runs.summary(),
            "left_out": self.left_out,
            "failures": self.failures,
            "bars": [bar.judge(spreads) for bar in bars],
            "figures": spreads,
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
        worst = is_met = None
        if len(found) == len(self.figures):
            worst = (min if self.is_floor else max)(found, key=lambda value: abs(value.value))
            is_met = abs(worst.value) >= self.bar if self.is_floor else abs(worst.value) <= self.bar
        return {**asdict(self), "worst": worst, "is_met": is_met}
