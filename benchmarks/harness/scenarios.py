"""Scenarios of the load generator with one workload; what begins cold is warmed up by a run of its own."""

from __future__ import annotations

from typing import Any

from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario, Workload

_CONNECTIONS, _MOST_CONNECTIONS = 32, 64


def closed(workload: Workload, callers: int, **values: Any) -> Scenario:
    """Return a closed loop: `callers` send their next request after a reply. `values`: further settings."""
    return _scenario(workload, ClosedLoop(concurrency=callers), min(callers, _MOST_CONNECTIONS), values)


def opened(workload: Workload, per_second: float, **values: Any) -> Scenario:
    """Return an open loop: Poisson arrivals at `per_second` on average. `values`: further settings."""
    return _scenario(workload, OpenLoop(rate_per_second=per_second), _CONNECTIONS, values)


def _scenario(workload: Workload, load: ClosedLoop | OpenLoop, connections: int, values: dict[str, Any]) -> Scenario:
    usual = {"warm_up_seconds": 0.0, "connections_per_process": connections}
    return Scenario(workloads=(workload,), load=load, **{**usual, **values})
