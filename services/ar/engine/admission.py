"""Who may join the engine's queue: as many as it holds, and none that would begin or end too late.

Owned by the event loop. Knows nothing of the scheduler but that callers share the places of running sequences equally.
"""

import math
from dataclasses import dataclass
from functools import partial

from runtime.deadlines import Deadline
from services.common.fair_queue import CallerCounts
from services.common.waiting_line import WaitingLine, check_wait, retry_after
from tandem.shared.errors import EndsTooLate, ResourceExhausted

RETRY_AFTER_SECONDS = 1.0
_QUEUE = "the engine's queue"
_WEIGHT = 0.1  # of the last sequence in the mean
_FEW = 8  # sequences that are computed nearly as fast as one
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


@dataclass(frozen=True)
class Run:
    """A sequence that has run: how long, how many tokens it brought, and how many ran when it ended, each above 0."""

    seconds: float
    num_tokens: float
    num_running: float


_NONE = Run(0.0, 1.0, 1.0)


class Admission:
    """Counts open sequences by caller, and learns from those that end how long they run.

    In its `line` the later parts of requests that have begun wait for room, in turns with new requests.
    """

    def __init__(self, limits: AdmissionLimits) -> None:
        self.limits = limits
        self.counts = CallerCounts(limits.max_open_of_caller, limits.max_open)  # of open sequences
        self._mean = _NONE  # until one has ended
        # Sequences that run at a time while others wait: fewer than the limit, where prompts take up the steps.
        self._places = float(limits.max_running)
        self.line = WaitingLine(self.counts)

    def check(self, caller: str, count: int, deadline: Deadline | None, max_tokens: float = math.inf) -> None:
        """Raises ResourceExhausted if `count` more sequences of the caller, which bring at most so many tokens each, do
        not fit, or would come too late.

        New ones do not fit either while it is the turn of a part that waits in the line.

        One comes too late that would wait longer than max_wait_seconds, or could not run to its end by its deadline, by
        how long others have run. One that need not wait may be short, so it is taken unless others run beside it and
        its tokens would take too long. Those without a deadline are the rest of a request that has begun: for them,
        neither turn nor time matters. The error has room for more requests of the same caller, see `capacity_left`,
        unless it depends on the number of tokens.
        """
        remaining = math.inf if deadline is None else deadline.remaining_seconds()
        try:
            self.line.check(_QUEUE, caller, count, deadline is None, lambda: RETRY_AFTER_SECONDS)
            if deadline is not None:
                self._check_time(caller, count, deadline, max_tokens)
        except EndsTooLate:
            raise
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
            running = self._running_seconds(self._places)
            left = min(self.limits.max_wait_seconds, seconds / _SPARE - running) - wait
            each = running / self._places * len(self.counts.of_caller)
            free = min(free, int(left / each)) if left < math.inf else free
        return max(0, int(free))

    def _check_time(self, caller: str, count: int, deadline: Deadline, max_tokens: float) -> None:
        wait = self.wait_seconds(caller, count)
        if wait:
            spare = (_SPARE - 1) * wait + _SPARE * self._running_seconds(self._places)
            check_wait(_QUEUE, wait, self.limits.max_wait_seconds, Deadline(deadline.instant - spare))
        elif self.counts.total:
            part = min(1.0, max_tokens / self._mean.num_tokens)
            expected = part * self._running_seconds(self.counts.ahead(caller, count) + count)
            seconds = deadline.remaining_seconds()
            if _SPARE * expected > seconds:
                raise EndsTooLate(_QUEUE, expected, seconds, retry_after(_SPARE * expected - seconds))

    def _running_seconds(self, num_running: float) -> float:
        """Return how long a sequence runs among so many, by those that ran among others: in proportion."""
        return self._mean.seconds * max(num_running, _FEW) / max(self._mean.num_running, _FEW)

    def latest_start(self, caller: str, count: int, deadline: Deadline) -> float:
        """Return when `count` more sequences of the caller must run at the latest, by how long others have run.

        That of sequences that need not wait is the deadline itself: they may be short.
        """
        waits = self.wait_seconds(caller, count) > 0.0
        return deadline.instant - (self._running_seconds(self._places) if waits else 0.0)

    def wait_seconds(self, caller: str, count: int = 1) -> float:
        """Return how long the last of `count` further sequences of the caller would wait before it runs."""
        num_without_place = self.counts.ahead(caller, count) + count - self._places
        return max(0.0, num_without_place) * self._running_seconds(self._places) / self._places

    def opened(self, caller: str, count: int = 1, is_begun: bool = False) -> None:
        """Note that sequences of the caller joined the queue; with `is_begun` they are the rest of a request."""
        if not is_begun:
            self.line.passed(caller, count)
        self.counts.add(caller, count)

    def ended(self, caller: str, run: Run | None, *, is_whole: bool = True, others_wait: bool = False) -> None:
        """Note that a sequence has ended, after this run, perhaps while others waited; None if it never ran.

        One that is not whole tells something only if it ran longer than others.
        """
        self.counts.add(caller, -1)
        self.line.look()
        mean = self._mean
        if run is not None and (is_whole or run.seconds > mean.seconds):
            weight = 1.0 if mean is _NONE else _WEIGHT
            self._places += _WEIGHT * ((run.num_running if others_wait else self.limits.max_running) - self._places)
            self._mean = Run(
                mean.seconds + weight * (run.seconds - mean.seconds),
                mean.num_tokens + weight * (run.num_tokens - mean.num_tokens),
                mean.num_running + weight * (run.num_running - mean.num_running),
            )
