"""Who may join the engine's queue: as many as it holds, and none that would begin too late.

Owned by the event loop. Knows nothing of the scheduler but that callers share the places of running sequences equally.
"""

import math
from collections import Counter
from dataclasses import dataclass
from functools import partial

from runtime.deadlines import Deadline
from runtime.errors import ResourceExhausted
from runtime.rpc.caller import NOBODY
from services.common.waiting_time import check_wait

RETRY_AFTER_SECONDS = 1.0
_WEIGHT = 0.1  # of the last sequence in the mean
_SPARE = 1.25  # as much longer than expected may a sequence wait and run, and still end by its deadline


@dataclass(frozen=True)
class AdmissionLimits:
    """max_running: sequences that run at a time. max_open: those that run or wait, at most `max_open_of_caller` of one
    caller that is known. max_wait_seconds: how long one may be expected to wait before it runs.
    """

    max_running: int
    max_open: int
    max_open_of_caller: int
    max_wait_seconds: float


class Admission:
    """Counts open sequences by caller, and learns from those that end how long they run."""

    def __init__(self, limits: AdmissionLimits) -> None:
        self.limits = limits
        self._open: Counter[str] = Counter()
        self._running_seconds = 0.0  # of a sequence, on average; 0 until one has ended

    @property
    def num_open(self) -> int:
        return self._open.total()

    def num_free(self, caller: str) -> int:
        """Return how many more sequences of the caller fit, apart from how long they would wait."""
        free = self.limits.max_open - self.num_open
        if caller != NOBODY:
            free = min(free, self.limits.max_open_of_caller - self._open[caller])
        return max(0, free)

    def check(self, caller: str, count: int, deadline: Deadline | None) -> None:
        """Raises ResourceExhausted if `count` more sequences of the caller do not fit, or would come too late.

        One comes too late that would wait longer than max_wait_seconds, or could not run to its end by its deadline, by
        how long others have run. Without a deadline, as for the rest of a request that has begun, time is no matter.
        The error has room for more requests of the same caller: see `room`.
        """
        remaining = math.inf if deadline is None else deadline.remaining_seconds()
        try:
            self._check_count(caller, count)
            if deadline is not None:
                self._check_wait(caller, count, deadline)
        except ResourceExhausted as error:
            error.room = partial(self.room, caller, remaining)
            raise

    def room(self, caller: str, seconds: float) -> int:
        """Return about how many more sequences of the caller, which have so many seconds, would be taken now.

        While other callers have sequences, theirs run between.
        """
        free = self.num_free(caller)
        wait = self.wait_seconds(caller)
        if wait:
            left = min(self.limits.max_wait_seconds, seconds / _SPARE - self._running_seconds) - wait
            each = self._running_seconds / self.limits.max_running * len(self._open)
            free = min(free, int(left / each)) if left < math.inf else free
        return max(0, free)

    def _check_count(self, caller: str, count: int) -> None:
        if self.num_open + count > self.limits.max_open:
            raise ResourceExhausted("the engine's queue", self.limits.max_open, RETRY_AFTER_SECONDS)
        if caller != NOBODY and self._open[caller] + count > self.limits.max_open_of_caller:
            raise ResourceExhausted(
                "a caller's part of the engine's queue", self.limits.max_open_of_caller, RETRY_AFTER_SECONDS
            )

    def _check_wait(self, caller: str, count: int, deadline: Deadline) -> None:
        wait = self.wait_seconds(caller, count)
        # With an empty queue there is no reason to refuse a short deadline: the request may be short, too.
        spare = (_SPARE - 1) * wait + _SPARE * self._running_seconds
        end_by = Deadline(deadline.instant - spare) if wait else deadline
        check_wait("the engine's queue", wait, self.limits.max_wait_seconds, end_by)

    def latest_start(self, caller: str, count: int, deadline: Deadline) -> float:
        """Return when `count` more sequences of the caller must run at the latest, by how long others have run.

        That of sequences that need not wait is the deadline itself: they may be short.
        """
        return deadline.instant - (self._running_seconds if self.wait_seconds(caller, count) else 0.0)

    def wait_seconds(self, caller: str, count: int = 1) -> float:
        """Return how long the last of `count` further sequences of the caller would wait before it runs."""
        own = self._open[caller]
        others = sum(min(open_, own + count) for name, open_ in self._open.items() if name != caller)
        num_without_place = own + others + count - self.limits.max_running
        return max(0, num_without_place) * self._running_seconds / self.limits.max_running

    def opened(self, caller: str) -> None:
        self._open[caller] += 1

    def ended(self, caller: str, running_seconds: float | None) -> None:
        """Note that a sequence has ended, after it had run so long; None if it never did."""
        self._open[caller] -= 1
        if not self._open[caller]:
            del self._open[caller]
        if running_seconds is not None:
            weight = _WEIGHT if self._running_seconds else 1.0
            self._running_seconds += weight * (running_seconds - self._running_seconds)
