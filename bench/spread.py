"""A figure that was measured several times: its median and its range."""

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float], digits: int = 2) -> dict[str, float]:
    """Return median, minimum and maximum of repeated measurements."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def shown(figure: dict[str, float]) -> str:
    """Return a figure as people read it: median (min-max)."""
    return f"{figure['median']:g} ({figure['min']:g}-{figure['max']:g})"
