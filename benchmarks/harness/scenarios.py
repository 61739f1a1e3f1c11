"""Scenarios of the load generator with one workload; what begins cold is warmed up by a run of its own."""

from __future__ import annotations

from typing import Any

from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario, Workload

_CONNECTIONS, _MOST_CONNECTIONS = 32, 64


def closed(workload: Workload, callers: int, **values: Any) -> Scenario:
    """Return so many callers, on a connection each, who ask again when they have an answer; `values` are settings."""
    return _scenario(workload, ClosedLoop(concurrency=callers), min(callers, _MOST_CONNECTIONS), values)


def opened(workload: Workload, per_second: float, **values: Any) -> Scenario:
    """Return requests that come as they will, so many a second on average."""
    return _scenario(workload, OpenLoop(rate_per_second=per_second), _CONNECTIONS, values)


def _scenario(workload: Workload, load: ClosedLoop | OpenLoop, connections: int, values: dict[str, Any]) -> Scenario:
    usual = {"warm_up_seconds": 0.0, "connections_per_process": connections}
    return Scenario(workloads=(workload,), load=load, **{**usual, **values})
