"""Whether the machine is idle, so that a measurement made now is not disturbed; reads Linux's /proc/stat."""

from __future__ import annotations

import time
from pathlib import Path

STAT = Path("/proc/stat")
SAMPLE_SECONDS = 0.25
MAX_BUSY_SHARE = 0.2
"""Of all processors' time; a desktop or an agent takes some per cent."""


def is_idle(stat: Path = STAT) -> bool:
    """Return whether the processors do nearly nothing for a quarter of a second; True where that cannot be read."""
    before = _ticks(stat)
    time.sleep(SAMPLE_SECONDS)
    after = _ticks(stat)
    if before is None or after is None:
        return True
    busy, idle = (now - then for now, then in zip(after, before, strict=True))
    return busy <= MAX_BUSY_SHARE * (busy + idle)


def _ticks(stat: Path) -> tuple[int, int] | None:
    """Return the ticks for which all processors together were busy, and idle, since the machine started."""
    try:
        first_line = stat.read_text().partition("\n")[0]
        user, nice, system, idle, waiting, irq, softirq, steal = map(int, first_line.split()[1:9])
    except (OSError, ValueError):
        return None
    return user + nice + system + irq + softirq + steal, idle + waiting
