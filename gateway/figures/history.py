"""The last minutes of both paradigms, from the gateway's own counts: what the page's curves show.

A point is what happened in the window before it, as PromQL's rate() and histogram_quantile() would tell over the same
window. Asks nobody; knows nothing of HTTP.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.figures.quantiles import quantile
from gateway.figures.totals import Series, Totals, TotalsBook

STEP_SECONDS = 2.0
WINDOW_STEPS = 5
KEPT_SECONDS = 300.0
SHARES = {"p50_seconds": 0.50, "p95_seconds": 0.95, "p99_seconds": 0.99}


@dataclass(frozen=True)
class _Sample:
    taken_at: float
    totals: Mapping[Series, Totals]


@dataclass(frozen=True)
class _Point:
    taken_at: float
    values: Mapping[Series, Mapping[str, Any]]


class History:
    """`run` takes a sample each step; `report` tells what was seen."""

    def __init__(self, totals: TotalsBook) -> None:
        self._totals = totals
        self._window: deque[_Sample] = deque(maxlen=WINDOW_STEPS + 1)
        self._points: deque[_Point] = deque(maxlen=int(KEPT_SECONDS / STEP_SECONDS))

    async def run(self) -> None:
        """Never returns."""
        while True:
            self.take(time.monotonic())
            await asyncio.sleep(STEP_SECONDS)

    def take(self, now: float) -> None:
        """Add the sample of this instant, and the point that it makes with the window before it."""
        sample = _Sample(now, self._totals.copy())
        self._window.append(sample)
        oldest = self._window[0]
        seconds = now - oldest.taken_at
        if seconds > 0.0:
            changes = {key: totals.since(oldest.totals.get(key, Totals())) for key, totals in sample.totals.items()}
            self._points.append(_Point(now, {key: _rates(change, seconds) for key, change in changes.items()}))

    def report(self) -> dict[str, Any]:
        """Return each model's totals since the start, and its points of the last minutes, the oldest first."""
        now = time.monotonic()
        return {
            "window_seconds": STEP_SECONDS * WINDOW_STEPS,
            "kept_seconds": KEPT_SECONDS,
            "series": [
                {**key._asdict(), **_counts(totals), "points": self._told(key, now)}
                for key, totals in sorted(self._totals.copy().items())
            ],
        }

    def _told(self, key: Series, now: float) -> list[dict[str, Any]]:
        return [
            {"age_seconds": round(now - point.taken_at, 3), **point.values[key]}
            for point in list(self._points)  # a thread may read while the event loop adds
            if key in point.values
        ]


def _counts(totals: Totals) -> dict[str, Any]:
    return {"finished": totals.num_finished, "failed": totals.failed, "outputs": totals.outputs, **_quantiles(totals)}


def _rates(change: Totals, seconds: float) -> dict[str, Any]:
    return {
        "finished_per_second": change.num_finished / seconds,
        "outputs_per_second": {unit: number / seconds for unit, number in change.outputs.items()},
        **_quantiles(change),
    }


def _quantiles(totals: Totals) -> dict[str, float | None]:
    cumulative = totals.cumulative()
    return {name: quantile(share, cumulative) for name, share in SHARES.items()}
