"""The most memory that a process held since a moment, as the kernel saw it: no sampling, so no peak is missed."""

from __future__ import annotations

import re
from pathlib import Path

MIB = 1 << 20
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_NOW = re.compile(r"VmRSS:\s+(\d+) kB")


class PeakMemory:
    """Counts from its making; Linux only."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        (self._folder / "clear_refs").write_text("5")  # the peak becomes what is held now
        self._before = self._kilobytes(_NOW)

    def growth_mib(self) -> float:
        """Return by how much the peak exceeds what was held at the beginning, in MiB."""
        return (self._kilobytes(_PEAK) - self._before) / 1024

    def _kilobytes(self, pattern: re.Pattern[str]) -> int:
        found = pattern.search((self._folder / "status").read_text())
        if found is None:
            raise LookupError("the process has ended")
        return int(found[1])
