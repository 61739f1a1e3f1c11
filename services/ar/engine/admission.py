"""Who may join the engine's queue: as many as it holds, and none that would begin too late.

Owned by the event loop. Knows nothing of the scheduler but that callers share the places of running sequences equally.
"""

import math
from dataclasses import dataclass
from functools import partial

from runtime.deadlines import Deadline
from services.common.fair_queue import CallerCounts
from services.common.waiting_line import WaitingLine, check_wait
from tandem.shared.errors import ResourceExhausted

RETRY_AFTER_SECONDS = 1.0
_QUEUE = "the engine's queue"
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
    """Counts open sequences by caller, and learns from those that end how long they run.

    In its `line` the later parts of requests that have begun wait for room, in turns with new requests.
    """

    def __init__(self, limits: AdmissionLimits) -> None:
        self.limits = limits
        self.counts = CallerCounts(limits.max_open_of_caller, limits.max_open)  # of open sequences
        self._running_seconds = 0.0  # of a sequence, on average; 0 until one has ended
        self.line = WaitingLine(self.counts)

    def check(self, caller: str, count: int, deadline: Deadline | None) -> None:
        """Raises ResourceExhausted if `count` more sequences of the caller do not fit, or would come too late.

        New ones do not fit either while it is the turn of a part that waits in the line.

        One comes too late that would wait longer than max_wait_seconds, or could not run to its end by its deadline, by
        how long others have run. Those without a deadline are the rest of a request that has begun: for them, neither
        turn nor time matters. The error has room for more requests of the same caller: see `capacity_left`.
        """
        remaining = math.inf if deadline is None else deadline.remaining_seconds()
        try:
            self.line.check(_QUEUE, caller, count, deadline is None, lambda: RETRY_AFTER_SECONDS)
            if deadline is not None:
                self._check_wait(caller, count, deadline)
        except ResourceExhausted as error:
            error.capacity_left = partial(self.capacity_left, caller, remaining)
            raise

    def capacity_left(self, caller: str, seconds: float) -> int:
        """Return about how many more sequences of the caller, which have so many seconds, would be taken now.

        While other callers have sequences, theirs run between.
        """
        free = self.line.capacity_left(caller)
        wait = self.wait_seconds(caller)
        if wait:
            left = min(self.limits.max_wait_seconds, seconds / _SPARE - self._running_seconds) - wait
            each = self._running_seconds / self.limits.max_running * len(self.counts.of_caller)
            free = min(free, int(left / each)) if left < math.inf else free
        return max(0, int(free))

    def _check_wait(self, caller: str, count: int, deadline: Deadline) -> None:
        wait = self.wait_seconds(caller, count)
        # With an empty queue there is no reason to refuse a short deadline: the request may be short, too.
        spare = (_SPARE - 1) * wait + _SPARE * self._running_seconds
        end_by = Deadline(deadline.instant - spare) if wait else deadline
        check_wait(_QUEUE, wait, self.limits.max_wait_seconds, end_by)

    def latest_start(self, caller: str, count: int, deadline: Deadline) -> float:
        """Return when `count` more sequences of the caller must run at the latest, by how long others have run.

        That of sequences that need not wait is the deadline itself: they may be short.
        """
        return deadline.instant - (self._running_seconds if self.wait_seconds(caller, count) else 0.0)

    def wait_seconds(self, caller: str, count: int = 1) -> float:
        """Return how long the last of `count` further sequences of the caller would wait before it runs."""
        num_without_place = self.counts.ahead(caller, count) + count - self.limits.max_running
        return max(0, num_without_place) * self._running_seconds / self.limits.max_running

    def opened(self, caller: str, count: int = 1, is_begun: bool = False) -> None:
        """Note that sequences of the caller joined the queue; with `is_begun` they are the rest of a request."""
        if not is_begun:
            self.line.passed(caller, count)
        self.counts.add(caller, count)

    def ended(self, caller: str, running_seconds: float | None) -> None:
        """Note that a sequence has ended, after it had run so long; None if it never did."""
        self.counts.add(caller, -1)
        self.line.look()
        if running_seconds is not None:
            weight = _WEIGHT if self._running_seconds else 1.0
            self._running_seconds += weight * (running_seconds - self._running_seconds)
