"""The callers of a closed loop: when each is there, and how many requests they may take. Plain arithmetic."""

from tandem.measure.scenario import ClosedLoop, Scenario


def budget(scenario: Scenario, number: int) -> int | None:
    """Return how many requests of the measurement process `number` may take; None: without bound."""
    total, step = scenario.num_requests, scenario.num_processes
    return None if total is None else total // step + (number < total % step)


def presence(scenario: Scenario, load: ClosedLoop, caller: int) -> tuple[float, float]:
    """Return from when to when a caller is there: all of the time, or for its part of a ramp."""
    first, last, duration = load.concurrency, load.end_concurrency, scenario.duration_seconds
    comes_at, goes_at = -scenario.warm_up_seconds, duration or float("inf")
    if last is not None and last != first and duration is not None:
        instant = duration * (caller + 0.5 - first) / (last - first)
        if first <= caller < last:
            comes_at = instant
        elif last <= caller < first:
            goes_at = instant
    return comes_at, goes_at
