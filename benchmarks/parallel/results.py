"""The results of a run as one JSON document: figures, bars, and on what machine and with which peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.harness.bars import Bar
from benchmarks.harness.figures import Spreads
from benchmarks.harness.servers import NOW
from benchmarks.harness.surroundings import Surroundings
from benchmarks.parallel.bars import bars
from benchmarks.parallel.workload import Durations


@dataclass(frozen=True)
class Results:
    """All that one run has found; `absent` says why peers are missing, `failures` which turns broke off, and why."""

    around: Surroundings
    runtime: str
    durations: Durations
    spreads: Spreads
    contenders: Sequence[str]
    loops: Sequence[str]
    peers: Mapping[str, str]
    absent: Mapping[str, str]
    failures: Sequence[str]
    seconds: float

    @property
    def bars(self) -> tuple[Bar, ...]:
        return bars(self.around.instructions)

    @property
    def are_met(self) -> bool:
        """Whether nothing failed and every bar is met."""
        return not self.failures and all(bar.is_met(self.spreads, NOW) for bar in self.bars)

    def as_json(self) -> dict[str, Any]:
        """Return everything ready for json.dumps."""
        judged = [{**asdict(bar), "is_met": bar.is_met(self.spreads, NOW)} for bar in self.bars]
        loads = {workload.name: seconds for workload, seconds in self.durations.loads.items()}
        return {
            "bench": "parallel",
            **{name: getattr(self, name) for name in ("runtime", "peers", "absent", "failures", "seconds")},
            "surroundings": self.around,
            "durations": {**vars(self.durations), "loads": loads},
            "bars": judged,
            "figures": self.spreads,
        }
