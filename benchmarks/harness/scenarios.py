"""Scenarios of the load generator with one workload; what begins cold is warmed up by a run of its own."""

from __future__ import annotations

from typing import Any

from tandem.measure.scenario import ClosedLoop, Scenario, Workload

_MOST_CONNECTIONS = 64


def closed(workload: Workload, callers: int, **values: Any) -> Scenario:
    """Return a closed loop: `callers` send their next request after a reply. `values`: further settings."""
    usual = {"warm_up_seconds": 0.0, "connections_per_process": min(callers, _MOST_CONNECTIONS)}
    return Scenario(workloads=(workload,), load=ClosedLoop(concurrency=callers), **{**usual, **values})
