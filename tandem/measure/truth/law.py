"""Laws of a server's times. A delay is written as people write it: seconds to the first message, or between two.

Each law is a table that requests or messages take their delays from in turn, so any whole number of tables holds each
delay equally often. The order is one of chance, but always the same.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from tandem.shared.errors import ExpectedError

TABLE_SIZE = 1000
SYNTAX = "SECONDS, bimodal:FAST:SLOW:SHARE, exponential:MEAN or lognormal:MEDIAN:SIGMA"
_SEED = 1
_QUANTILES: dict[str, Callable[..., float]] = {
    # Quantile functions: the delay that a given share of all delays does not exceed.
    "fixed": lambda share, seconds: seconds,
    "bimodal": lambda share, fast, slow, slow_share: slow if share >= 1.0 - slow_share else fast,
    "exponential": lambda share, mean: -mean * math.log1p(-share),
    "lognormal": lambda share, median, sigma: median * math.exp(sigma * NormalDist().inv_cdf(share)),
}


def delays_of(text: str, seed: int = _SEED) -> list[float]:
    """Return the table of a law, seconds. Raises ExpectedError."""
    name, *words = text.split(":") if ":" in text else ("fixed", text)
    try:
        found = [_QUANTILES[name]((rank + 0.5) / TABLE_SIZE, *map(float, words)) for rank in range(TABLE_SIZE)]
        if not all(0.0 <= delay < 3600.0 for delay in found):
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ExpectedError(f"{text!r} is no law of delays from 0 s to an hour; accepted: {SYNTAX}") from None
    random.Random(seed).shuffle(found)
    return found


@dataclass(frozen=True)
class Laws:
    """What a server does. `first`: to the first message, from when the kernel has the request; `gap`: between two.

    `stall`: from when after the first request on, and how long, nothing goes out; seconds. `errors`: the share of
    requests that fail instead of their first message. `slots`: requests answered at a time, others wait; 0: all.
    `tokens`: of requests that name no number.
    """

    first: str = "0.02"
    gap: str = "0.005"
    stall: tuple[float, float] = (0.0, 0.0)
    errors: float = 0.0
    slots: int = 0
    tokens: int = 16

    def tables(self) -> tuple[list[float], list[float], list[bool]]:
        """Return the delays of first messages and of gaps, and which requests fail. Raises ExpectedError."""
        failing = [rank < round(self.errors * TABLE_SIZE) for rank in range(TABLE_SIZE)]
        random.Random(_SEED + 1).shuffle(failing)
        return delays_of(self.first), delays_of(self.gap, _SEED + 2), failing
