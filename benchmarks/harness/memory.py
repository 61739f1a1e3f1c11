"""Memory of a process by the kernel's own count; Linux only."""

from contextlib import suppress
from pathlib import Path

PEAK = "VmHWM"
"""The most that was ever resident."""


def mebibytes(pid: int) -> dict[str, float]:
    """Return all sizes in /proc/PID/status, by their names there; none of a process that has ended."""
    found = {}
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if value.endswith(" kB"):
                found[name] = int(value.split()[0]) / 1024
    return found
