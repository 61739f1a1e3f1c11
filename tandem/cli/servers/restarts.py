"""When a process that died is started again, and when that is given up. Plain arithmetic; knows no processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class RestartPolicy:
    """Bounds of starting again. The delays are 0, then `first_delay_seconds`, doubling up to `max_delay_seconds`.

    A process that was ready for `healthy_seconds` has all its attempts before it again.
    """

    max_attempts: int = 5
    first_delay_seconds: float = 1.0
    max_delay_seconds: float = 30.0
    healthy_seconds: float = 60.0

    def delay_seconds(self, attempt: int) -> float:
        """Return the wait before attempt 1, 2 and so on."""
        if attempt == 1:
            return 0.0
        return min(self.first_delay_seconds * 2.0 ** (attempt - 2), self.max_delay_seconds)


NEVER = RestartPolicy(max_attempts=0)


@dataclass(frozen=True)
class Attempt:
    """One attempt to start a process again: the `number`th of `out_of`, after `delay_seconds`."""

    number: int
    out_of: int
    delay_seconds: float


class Restarts:
    """Counts the attempts of one process. `clock` returns monotonic seconds."""

    def __init__(self, policy: RestartPolicy, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._clock = clock
        self._num_attempts = 0
        self._was_ready = False
        self._ready_at: float | None = None

    def ready(self) -> None:
        """The process is ready: at the first start, or after an attempt."""
        self._was_ready = True
        self._ready_at = self._clock()

    def died(self) -> Attempt | None:
        """The process has died: return the attempt to make now; None after enough of them, or if it never was ready.

        What dies before it was ever ready is started with a wrong setting, or lacks something.
        """
        if not self._was_ready:
            return None
        if self._ready_at is not None and self._clock() - self._ready_at >= self._policy.healthy_seconds:
            self._num_attempts = 0
        self._ready_at = None
        if self._num_attempts == self._policy.max_attempts:
            return None
        self._num_attempts += 1
        delay_seconds = self._policy.delay_seconds(self._num_attempts)
        return Attempt(self._num_attempts, self._policy.max_attempts, delay_seconds)
