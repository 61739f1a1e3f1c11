"""What a client has seen of its requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tandem.measure.statistics.quantiles import nearest_rank

Array = NDArray[np.float64]


class LoadFailed(Exception):
    """The client ended without a result; says why."""


@dataclass(frozen=True)
class Target:
    """An RPC on 127.0.0.1 and the requests (serialised messages, taken in turn) to send there."""

    port: int
    path: str
    requests: Sequence[bytes]


@dataclass(frozen=True)
class Run:
    """What the client saw of its requests, in the order in which they ended; seconds from any zero.

    Arrays have one entry a request. NaN in `ended`: it had not ended when the client gave up. `status`: gRPC's number,
    -1 if none arrived. `cpu_seconds`: the client's own; `is_real_time`: whether the system let it go first. `replies`:
    of finished requests, if asked for.
    """

    intended: Array
    sent: Array
    first_message: Array
    ended: Array
    messages: Array
    status: Array
    cpu_seconds: float
    is_real_time: bool
    replies: tuple[bytes, ...]

    @property
    def is_ok(self) -> NDArray[np.bool_]:
        return np.equal(self.status, 0)

    @property
    def num_ok(self) -> int:
        return int(self.is_ok.sum())

    @property
    def seconds(self) -> Array:
        """Duration of each request that ended OK, from when it was sent."""
        return (self.ended - self.sent)[self.is_ok]

    @property
    def first_seconds(self) -> Array:
        """Seconds to the first message of each request that ended OK."""
        return (self.first_message - self.sent)[self.is_ok]

    @property
    def per_second(self) -> float:
        """Requests that ended OK a second, from the first that was sent to the last that ended."""
        return self.num_ok / float(np.nanmax(self.ended) - np.min(self.sent)) if self.num_ok else 0.0

    def delivered_share(self) -> float:
        """Of an open loop: requests that ended OK a second, as a share of those that were due a second.

        Both in the last three quarters of the time, so that what is always under way counts for nothing, and a queue
        that grows shows.
        """
        begin, end = float(self.intended.min()), float(self.intended.max())
        since = begin + (end - begin) / 4
        delivered = self.is_ok & (self.ended > since) & (self.ended <= end)
        return float(delivered.sum() / (self.intended > since).sum())

    def check_all_ok(self, what: str) -> None:
        """Raise LoadFailed, which names `what` was asked, unless there were requests and all of them ended OK."""
        if not self.num_ok or self.num_ok < len(self.status):
            others = sorted({int(each) for each in self.status[~self.is_ok]})
            raise LoadFailed(f"{what}: {self.num_ok} of {len(self.status)} requests ended OK, others with {others}")

    def quantile(self, share: float) -> float:
        """Return the exact quantile of the durations, NaN without any."""
        return nearest_rank(self.seconds, share)
