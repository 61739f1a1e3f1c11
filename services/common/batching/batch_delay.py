"""How long the next batch waits for further requests while an instance is idle. Plain numbers; owned by the event loop.

Callers who wait for each reply come back together, a moment after a batch has been answered. An instance that begins
with the first of them computes a batch of one while the others wait for the next pass. Where a pass takes long against
that moment, it pays to wait for as many samples as each instance has to compute if all callers come back.
"""

from __future__ import annotations

from collections.abc import Callable

from services.common.batching.admission import BatchLimits

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
