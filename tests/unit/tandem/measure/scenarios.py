"""Scenarios for tests."""

from __future__ import annotations

from typing import Any

from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario, Workload

IMAGES = Workload(kind="images", delivery="unary", model="fake-gan")
TEXT = Workload(kind="text", delivery="streamed", model="fake-text")


def open_scenario(rate: float = 100.0, **settings: Any) -> Scenario:
    load = {name: settings.pop(name) for name in ("arrivals", "end_rate_per_second") if name in settings}
    return scenario(OpenLoop(rate_per_second=rate, **load), **settings)


def closed_scenario(concurrency: int = 4, **settings: Any) -> Scenario:
    return scenario(
        ClosedLoop(concurrency=concurrency, end_concurrency=settings.pop("end_concurrency", None)), **settings
    )


def scenario(load: OpenLoop | ClosedLoop, **settings: Any) -> Scenario:
    usual = {"workloads": (IMAGES,), "warm_up_seconds": 0.0}
    if "num_requests" not in settings:
        usual["duration_seconds"] = 10.0
    return Scenario(load=load, **(usual | settings))
