"""A deadline: one absolute instant on the monotonic clock, made once, then only asked."""

import math
import time
from dataclasses import dataclass

# A client that reaches its deadline resets the call a moment before the server's own timer fires.
RESET_TOLERANCE_SECONDS = 0.05


@dataclass(slots=True)
class Deadline:
    """`instant` is seconds on `time.monotonic()`, infinite if the caller set none."""

    instant: float

    @classmethod
    def after(cls, seconds: float | None) -> "Deadline":
        return cls(math.inf if seconds is None else time.monotonic() + seconds)

    def remaining_seconds(self) -> float:
        """Return the seconds left, 0 at the least."""
        return max(0.0, self.instant - time.monotonic())

    def has_passed(self) -> bool:
        return time.monotonic() >= self.instant

    def explains_cancellation(self) -> bool:
        """Return whether a call that was just reset ended because of its deadline."""
        return time.monotonic() >= self.instant - RESET_TOLERANCE_SECONDS
