"""Who may join a batcher's queue: as many as it holds, and none that would begin too late to be of use.

Owned by the event loop. Learns from the passes how long they take, from the moment that an instance gets a batch until
it is free again: so what threads and event loop add is part of it.
"""

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Generic

from runtime.deadlines import Deadline
from services.common.batching.pass_times import PassTimes
from services.common.batching.queue import BatchQueue
from services.common.batching.request import Payload, Result
from services.common.waiting_line import WaitingLine, check_wait, retry_after
from tandem.shared.errors import ResourceExhausted

# Of the mean: what is admitted with no time to spare is late half of the time, and then was work for nothing.
_MARGIN = 1.25


@dataclass(frozen=True)
class BatchLimits:
    """How much goes together and how much may wait, in samples; for how long, in seconds.

    Of what may wait, one caller may hold at most `max_queued_of_caller`, all of it if that is None.

    Requests are added to a batch until it has `preferred_batch_size` samples. Only a larger request makes a larger
    batch, of up to `max_batch_size`. None: `max_batch_size`.

    `are_alike`: whether one request tells of others. If not, none is refused or dropped for what it would take itself,
    by the time of those before, but only for how long it would wait; and no refusal has room for more, since other
    calls to the same method may need no place here.
    """

    max_batch_size: int
    max_queued: int
    max_batch_delay_seconds: float = 0.0
    max_queued_of_caller: int | None = None
    max_wait_seconds: float = math.inf
    preferred_batch_size: int | None = None
    are_alike: bool = True

    @property
    def full_batch_size(self) -> int:
        """The number of waiting samples that make a full batch, which is not held back for further requests."""
        return min(self.preferred_batch_size or self.max_batch_size, self.max_batch_size)

    @property
    def max_request(self) -> int:
        """The samples of the largest request that any caller may add to an empty queue."""
        return self.max_queued if self.max_queued_of_caller is None else min(self.max_queued, self.max_queued_of_caller)


@dataclass(frozen=True, slots=True)
class _InHand:
    batch_size: int
    given_at: float


class BatchAdmission(Generic[Payload, Result]):
    """Checks requests before they join `queue`; told of each batch that an instance gets and ends.

    So many as `num_instances` compute at a time; what spare ones get waits for them, and counts as being computed.
    """

    def __init__(
        self,
        name: str,
        limits: BatchLimits,
        queue: BatchQueue[Payload, Result],
        line: WaitingLine,
        num_instances: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = f"the queue of {name}"
        self._limits = limits
        self._queue = queue
        self._line = line
        self._num_instances = num_instances
        self._clock = clock
        self._times = PassTimes()
        self._in_hand: dict[Hashable, _InHand] = {}  # by instance

    def gave(self, instance: Hashable, batch_size: int) -> None:
        """Note that an instance got a batch of so many samples."""
        self._in_hand[instance] = _InHand(batch_size, self._clock())

    def ended(self, instance: Hashable, is_ok: bool) -> None:
        """Note that an instance is free again; a pass that failed says nothing of how long passes take."""
        in_hand = self._in_hand.pop(instance)
        if is_ok:
            self._times.observe(in_hand.batch_size, self._clock() - in_hand.given_at)

    @property
    def num_in_hand(self) -> int:
        """How many samples are being computed."""
        return sum(each.batch_size for each in self._in_hand.values())

    def check_room(self, caller: str, num_samples: int, is_begun: bool) -> None:
        """Raises ResourceExhausted if there is no room, or if it is the turn of a part that waits."""
        queue = self._queue
        if self._line.is_empty and queue.num_samples + num_samples <= queue.max_samples_of_caller:
            return  # whoever calls has that much
        self._line.check(
            self._what, caller, num_samples, is_begun, lambda: retry_after(self._work_seconds(queue.num_samples))
        )

    def check_wait(self, caller: str, num_samples: int, deadline: Deadline) -> None:
        """Raises WaitTooLong if the samples would begin too late, or too late to be done by the deadline.

        While an instance is idle nothing is too late, so a wrong idea of how long passes take cannot last.
        """
        if len(self._in_hand) >= self._num_instances and not self._is_soon(num_samples, deadline):
            latest = Deadline(deadline.instant - self._own_seconds(caller, num_samples))
            check_wait(self._what, self._wait_seconds(caller), self._limits.max_wait_seconds, latest)

    def check(self, caller: str, num_samples: int, deadline: Deadline, is_begun: bool) -> None:
        """Raises what `check_room` does and, unless the request is the rest of one that has begun, `check_wait`.

        The error has room for more of the same caller if requests are alike: see `capacity_left`.
        """
        try:
            self.check_room(caller, num_samples, is_begun)
            if not is_begun:
                self.check_wait(caller, num_samples, deadline)
        except ResourceExhausted as error:
            if self._limits.are_alike:
                error.capacity_left = partial(self.capacity_left, caller, deadline.remaining_seconds())
            raise

    def capacity_left(self, caller: str, seconds: float) -> int:
        """Return about how many more requests of the caller, of the size of those that wait, would be taken now.

        Each is to be done in so many seconds. While other callers have work, theirs is done between.
        """
        free = self._line.capacity_left(caller)
        if free > 0 and len(self._in_hand) >= self._num_instances:
            free = min(free, self._samples_in_time(caller, seconds))
        return int(free / self._queue.mean_samples(caller)) if free > 0 else 0

    def _samples_in_time(self, caller: str, seconds: float) -> int:
        """Return how many more samples of the caller would be done in time, by the wait of the next."""
        left = min(self._limits.max_wait_seconds, seconds - self._own_seconds(caller, 1)) - self._wait_seconds(caller)
        size = self._limits.full_batch_size
        each = self._work_seconds(size) / size * max(1, self._queue.num_callers)
        return int(left / each) if each else self._queue.max_samples

    def _is_soon(self, num_samples: int, deadline: Deadline) -> bool:
        """Return whether there is enough time for all that waits, in any order: then turns do not matter."""
        passes = 2 * self._times.pass_seconds(self._limits.max_batch_size)  # one under way, and its own
        most = _MARGIN * (passes + self._work_seconds(self._queue.num_samples + num_samples))
        return most <= min(self._limits.max_wait_seconds, deadline.remaining_seconds())

    def pass_seconds(self, batch_size: int) -> float:
        """Return how long a pass of so many samples may take, 0 before there was any, or if that tells nothing."""
        return _MARGIN * self._times.pass_seconds(batch_size) if self._limits.are_alike else 0.0

    def single_seconds(self) -> float:
        """Return how long a pass of one sample takes on average, 0 before there was one."""
        return self._times.single_seconds()

    def _wait_seconds(self, caller: str) -> float:
        """Return how long a request that the caller adds now would wait: for an instance, then for its turn."""
        now = self._clock()
        left = min(each.given_at + self._times.pass_seconds(each.batch_size) - now for each in self._in_hand.values())
        return max(0.0, left) + self._work_seconds(self._queue.counts.ahead(caller, 1))

    def _own_seconds(self, caller: str, num_samples: int) -> float:
        """Return what the samples take from their beginning: at least the pass that they ride in, and where they fill
        several, those and the turns of others between them. 0 if requests are not alike.
        """
        if not self._limits.are_alike:
            return 0.0
        size = max(self._limits.full_batch_size, min(num_samples, self._limits.max_batch_size))
        one = self._times.pass_seconds(min(size, num_samples + self._queue.num_samples))
        ahead = self._queue.counts.ahead
        between = ahead(caller, num_samples) - ahead(caller, 1) if num_samples > 1 else 0
        return _MARGIN * max(one, self._work_seconds(between + num_samples))

    def _work_seconds(self, num_samples: float) -> float:
        # With spare ones at work each pass takes longer, and more of them run.
        num_at_work = max(self._num_instances, len(self._in_hand))
        return self._times.work_seconds(num_samples, self._limits.full_batch_size, num_at_work)
