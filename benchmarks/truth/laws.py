"""Laws of latency whose quantiles are known, whichever client asks and however many requests arrive at a time.

A law with a table gives its delays to one request after another, so that any whole number of tables in a row holds each
delay equally often. The quantiles of a stall depend on the arrivals: they hold for arrivals that are evenly
spread over whole periods. A tester whose callers wait for their replies sees hardly any of it.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

TABLE_SIZE = 1000
# The hop through the gateway, some tenths of a millisecond, is a part of what a client waits; it is to be a small one.
_FAST_SECONDS, _SLOW_SECONDS, _MEAN_SECONDS = 0.02, 0.1, 0.03
_SEED = 1


@dataclass(frozen=True)
class Law:
    """`stall`: (period, length) in seconds; the server answers nothing for that length at the start of each period.

    With a stall there is one delay only.
    """

    name: str
    delays: tuple[float, ...]
    stall: tuple[float, float] | None = None

    def quantile(self, share: float) -> float:
        """Return the latency that so large a share of all requests does not exceed, by nearest rank."""
        if self.stall is None:
            return sorted(self.delays)[math.ceil(share * len(self.delays)) - 1]
        period, seconds = self.stall
        (delay,) = self.delays
        return delay + max(0.0, seconds - (1.0 - share) * period)


def _table(name: str, delays: list[float]) -> Law:
    """The order is one of chance, but always the same."""
    random.Random(_SEED).shuffle(delays)
    return Law(name, tuple(delays))


def _exponential(share: float) -> float:
    return -_MEAN_SECONDS * math.log1p(-share)


LAWS = {
    each.name: each
    for each in (
        Law("fixed", (_FAST_SECONDS,)),
        _table("bimodal", [_FAST_SECONDS] * (TABLE_SIZE * 95 // 100) + [_SLOW_SECONDS] * (TABLE_SIZE * 5 // 100)),
        _table("exponential", [_exponential((rank + 0.5) / TABLE_SIZE) for rank in range(TABLE_SIZE)]),
        Law("stall", (_FAST_SECONDS,), (5.0, 0.5)),
    )
}
