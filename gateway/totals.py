"""What each model has done since the start: plain numbers, read from the gateway's metrics, and differences of them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from gateway.metrics import GatewayMetrics
from gateway.routes import all_routes

K = TypeVar("K")


class Series(NamedTuple):
    """Whose numbers they are."""

    paradigm: str
    model: str


@dataclass
class Totals:
    """Of requests for output; what generates nothing, as Score, is left out."""

    finished: Counter[float] = field(default_factory=Counter)
    """Those that ended well: how many took up to so many seconds, +inf included."""
    failed: Counter[str] = field(default_factory=Counter)
    """Those that ended otherwise, by code."""
    outputs: Counter[str] = field(default_factory=Counter)
    """By unit: token, image."""

    @property
    def num_finished(self) -> int:
        return self.finished[math.inf]

    def since(self, earlier: Totals) -> Totals:
        """Return what has come since `earlier`."""
        return Totals(
            _minus(self.finished, earlier.finished),
            _minus(self.failed, earlier.failed),
            _minus(self.outputs, earlier.outputs),
        )


def read_totals(metrics: GatewayMetrics) -> dict[Series, Totals]:
    """Return the numbers of every model that was asked for."""
    totals: dict[Series, Totals] = defaultdict(Totals)
    generating = {route.rpc for route in all_routes() if route.unit is not None}
    for sample in _samples(metrics.duration):
        labels, count = sample.labels, int(sample.value)
        if labels["rpc"] not in generating:
            continue
        series = totals[Series(labels["paradigm"], labels["model"])]
        if labels["code"] != "OK":
            series.failed[labels["code"]] += count if sample.name.endswith("_count") else 0
        elif "le" in labels:
            series.finished[float(labels["le"])] += count
    for sample in _samples(metrics.outputs):
        if sample.name.endswith("_total"):
            labels = sample.labels
            totals[Series(labels["paradigm"], labels["model"])].outputs[labels["unit"]] += int(sample.value)
    return dict(totals)


def _samples(metric: Collector) -> list[Sample]:
    return [sample for family in metric.collect() for sample in family.samples]


def _minus(later: Counter[K], earlier: Mapping[K, int]) -> Counter[K]:
    return Counter({key: count - earlier.get(key, 0) for key, count in later.items()})
