"""The results as one JSON document: figures, bars, and on what machine and when they were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.harness.bars import Bar
from benchmarks.harness.figures import Spreads
from benchmarks.harness.servers import NOW
from benchmarks.harness.surroundings import Surroundings
from benchmarks.hop.bars import BARS
from benchmarks.hop.durations import Durations


@dataclass(frozen=True)
class Results:
    """All that one run has found; `failures` says which rounds broke off, and why. Seconds are those of the whole."""

    around: Surroundings
    durations: Durations
    spreads: Spreads
    failures: Sequence[str]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return everything ready for json.dumps."""
        return {
            "bench": "hop",
            "surroundings": self.around,
            "durations": asdict(self.durations),
            "seconds": self.seconds,
            "failures": list(self.failures),
            "bars": [self._judged(bar) for bar in BARS],
            "figures": self.spreads,
        }

    def _judged(self, bar: Bar) -> dict[str, Any]:
        return {**asdict(bar), "worst": bar.worst(self.spreads, NOW), "is_met": bar.is_met(self.spreads, NOW)}
