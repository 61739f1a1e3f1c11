"""The results of a run as one JSON document: figures, bars, and on what machine and with which peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.figures import Spreads
from benchmarks.harness.servers import NOW
from benchmarks.hop.bars import Bar
from benchmarks.hop.document import Surroundings
from benchmarks.parallel.bars import bars
from benchmarks.parallel.workload import Durations
from benchmarks.side_by_side.surroundings import instructions

_NOTICEABLE = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


@dataclass(frozen=True)
class Results:
    """All that one run has found; `absent` says why peers are missing, `failures` which turns broke off, and why."""

    around: Surroundings
    instructions: Sequence[str]
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
        return bars(self.instructions)

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
            **{
                name: getattr(self, name)
                for name in ("instructions", "runtime", "peers", "absent", "failures", "seconds")
            },
            "surroundings": asdict(self.around),
            "durations": {**vars(self.durations), "loads": loads},
            "bars": judged,
            "figures": self.spreads,
        }


def instruction_sets() -> list[str]:
    """Return those of the processor that matter to a generator, as /proc/cpuinfo names them."""
    return [name for name in instructions(Path("/proc/cpuinfo").read_text()) if name in _NOTICEABLE]
