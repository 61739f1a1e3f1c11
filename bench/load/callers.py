"""The callers of a closed loop: when each is there, and which requests they may take. Plain arithmetic."""

from bench.load.scenario import ClosedLoop, Scenario


class Budget:
    """The requests that one process of a closed loop may take, by number."""

    def __init__(self, scenario: Scenario, number: int) -> None:
        self._step = scenario.num_processes
        self._next = number
        total = scenario.num_requests
        self._left = None if total is None else total // self._step + (number < total % self._step)

    def take(self, is_measured: bool) -> int | None:
        """Return the next request's number, None when there are no more."""
        if is_measured and self._left is not None:
            if not self._left:
                return None
            self._left -= 1
        number, self._next = self._next, self._next + self._step
        return number

    def rest(self) -> range:
        """Return the measured ones that are left, if their number is known."""
        return range(self._next, self._next + (self._left or 0) * self._step, self._step)


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
