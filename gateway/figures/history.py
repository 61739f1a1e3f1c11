"""What has been done since the start and in the last minutes, summed up from the metrics: what the page's curves show.

A point is what happened in the window before it, as PromQL's rate() and histogram_quantile() would give over the same
window. Makes no calls, and is independent of HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.figures.metrics import GatewayMetrics
from runtime.histogram import Distribution
from runtime.rpc.routes import all_routes
from tandem.shared.metrics import SECONDS_BUCKETS

STEP_SECONDS = 2.0
WINDOW_STEPS = 5
KEPT_SECONDS = 300.0
SHARES = {"p50_seconds": 0.50, "p95_seconds": 0.95, "p99_seconds": 0.99}

_GENERATING = {route.rpc for route in all_routes() if route.unit is not None}


class Series(NamedTuple):
    """Whose numbers they are."""

    paradigm: str
    model: str


@dataclass
class Totals:
    """Of a model's requests for output; what generates nothing, as Score, is left out."""

    finished: Distribution = field(default_factory=lambda: Distribution(SECONDS_BUCKETS))
    """Durations of those that ended well."""
    failed: Counter[str] = field(default_factory=Counter)
    """Those that ended otherwise, by code."""
    outputs: Counter[str] = field(default_factory=Counter)
    """By unit: token, image."""


def totals_of(metrics: GatewayMetrics) -> dict[Series, Totals]:
    """Return what each model that was asked for has done since the start."""
    found: dict[Series, Totals] = defaultdict(Totals)
    for labels, durations in metrics.durations():
        if labels["rpc"] not in _GENERATING:
            continue
        totals = found[Series(labels["paradigm"], labels["model"])]
        if labels["code"] == "OK":
            totals.finished.add(durations)
        else:
            totals.failed[labels["code"]] += durations.num_observed
    for labels, number in metrics.outputs():
        found[Series(labels["paradigm"], labels["model"])].outputs[labels["unit"]] = number
    return found


class History:
    """`run` takes a sample each step; `report` returns the points."""

    def __init__(self, metrics: GatewayMetrics) -> None:
        self._metrics = metrics
        # Instants in monotonic seconds, with the totals then, and with the values of each series' point.
        self._window: deque[tuple[float, Mapping[Series, Totals]]] = deque(maxlen=WINDOW_STEPS + 1)
        self._points: deque[tuple[float, Mapping[Series, Any]]] = deque(maxlen=int(KEPT_SECONDS / STEP_SECONDS))

    async def run(self) -> None:
        """Never returns."""
        while True:
            self.take(time.monotonic())
            await asyncio.sleep(STEP_SECONDS)

    def take(self, now: float) -> None:
        """Add the sample of this instant, and the point that it makes with the window before it."""
        totals = totals_of(self._metrics)
        self._window.append((now, totals))
        began, before = self._window[0]
        if now > began:
            rates = {key: _rates(done, before.get(key, Totals()), now - began) for key, done in totals.items()}
            self._points.append((now, rates))

    def report(self) -> dict[str, Any]:
        """Return each model's totals since the start, and its points of the last minutes, the oldest first."""
        now = time.monotonic()
        return {
            "window_seconds": STEP_SECONDS * WINDOW_STEPS,
            "kept_seconds": KEPT_SECONDS,
            "series": [
                {**key._asdict(), **_counts(totals), "points": self._points_of(key, now)}
                for key, totals in sorted(totals_of(self._metrics).items())
            ],
        }

    def _points_of(self, key: Series, now: float) -> list[dict[str, Any]]:
        return [
            {"age_seconds": round(now - taken_at, 3), **values[key]}
            for taken_at, values in list(self._points)  # a thread may read while the event loop adds
            if key in values
        ]


def _counts(totals: Totals) -> dict[str, Any]:
    finished = totals.finished
    return {
        "finished": finished.num_observed,
        "failed": totals.failed,
        "outputs": totals.outputs,
        **_quantiles(finished),
    }


def _rates(totals: Totals, before: Totals, seconds: float) -> dict[str, Any]:
    """Return what has come since `before`, so many seconds ago."""
    finished = Distribution(SECONDS_BUCKETS)
    finished.add(totals.finished)
    finished.add(before.finished, times=-1)
    outputs = {unit: (number - before.outputs[unit]) / seconds for unit, number in totals.outputs.items()}
    rate = finished.num_observed / seconds
    return {"finished_per_second": rate, "outputs_per_second": outputs, **_quantiles(finished)}


def _quantiles(durations: Distribution) -> dict[str, float | None]:
    return {name: durations.quantile(share) for name, share in SHARES.items()}
