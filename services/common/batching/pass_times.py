"""How long a model's passes take, and how long the next batch waits for further requests while an instance is idle.

Plain numbers; owned by the event loop. Callers who wait for each reply come back together, a moment after a batch has
been answered. An instance that begins with the first of them computes a batch of one while the others wait for the next
pass. Where a pass takes long against that moment, it pays to wait for as many samples as each instance has to compute
if all callers come back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.common.batching.admission import BatchLimits


_WEIGHT = 0.2  # of the last pass in the mean of its size


class PassTimes:
    """Sizes are told apart by powers of two, as a pass of two samples may take as long as one of one, or twice as long.

    Nothing is taken for granted of a size that was not seen: it is thought to take as long as the nearest smaller one.
    So a burst after a quiet time, when all passes were small, is not thought to take longer than it does.
    """

    def __init__(self) -> None:
        self._means: dict[int, float] = {}  # by the number of bits of the size

    def observe(self, batch_size: int, seconds: float) -> None:
        size = batch_size.bit_length()
        mean = self._means.get(size, seconds)
        self._means[size] = mean + _WEIGHT * (seconds - mean)

    def pass_seconds(self, batch_size: int) -> float:
        """Return what a pass of so many samples takes, 0 before there was any."""
        if not self._means:
            return 0.0
        size = batch_size.bit_length()
        known = max((each for each in self._means if each <= size), default=min(self._means))
        return self._means[known]

    def single_seconds(self) -> float:
        """Return what a pass of one sample takes, 0 before there was one.

        It takes no longer than a pass of more. Their times count as well, since single passes may not run again for
        long.
        """
        return min(self._means.values()) if 1 in self._means else 0.0

    def work_seconds(self, num_samples: float, max_batch_size: int, num_instances: int) -> float:
        """Return how long `num_instances` that run beside each other take for samples that wait, in batches."""
        if num_samples <= 0:
            return 0.0
        batch_size = max(1, min(max_batch_size, int(num_samples)))
        return num_samples / batch_size * self.pass_seconds(batch_size) / num_instances


# Of what a pass of one sample takes on average.
SHARE_OF_PASS = 1 / 8
# Timers are not finer than this, and the event loop needs about as long for the requests themselves.
LEAST_SECONDS = 0.0005


class BatchDelay:
    """The delay of one batcher's batches. `single_seconds()` returns the seconds that a pass of one sample takes, 0 if
    that is not known; `num_instances` passes run at a time.
    """

    def __init__(self, limits: BatchLimits, num_instances: int, single_seconds: Callable[[], float]) -> None:
        self._limits = limits
        self._num_instances = num_instances
        self._single_seconds = single_seconds
        self._num_expected = 0
        self._expected_until = 0.0

    def answered(self, num_requests: int, num_samples: int, num_others: int, now: float) -> None:
        """Note that the results of a batch go out: of how many requests and samples.

        `num_others` samples wait or are being computed at that time. Without any, the only caller's next request is not
        delayed.
        """
        seconds = SHARE_OF_PASS * self._single_seconds()
        is_worth_it = seconds >= LEAST_SECONDS and (num_requests > 1 or num_others > 0)
        self._num_expected = (num_samples + num_others) // self._num_instances if is_worth_it else 0
        self._expected_until = now + seconds

    def wait_seconds(self, num_waiting: int, oldest_at: Callable[[], float], now: float) -> float:
        """Return the seconds for which `num_waiting` samples wait for further ones; 0: the batch begins now.

        `oldest_at()` returns when the first of them came.
        """
        if num_waiting >= self._limits.full_batch_size:
            return 0.0
        until = self._expected_until if num_waiting < self._num_expected else now
        if self._limits.max_batch_delay_seconds:
            until = max(until, oldest_at() + self._limits.max_batch_delay_seconds)
        return max(0.0, until - now)
