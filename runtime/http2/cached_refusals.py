"""Cached refusals: what a call was answered holds for those like it, which the server's thread then answers itself.

While it is cached, the handler's side is asked again and again how many more such calls it would take.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

Capacity = Callable[[], int]
"""Returns how many more calls like one that was refused would be taken now."""

LOOK_EVERY_SECONDS = 0.01
# Of the event loop's time at the most.
_MAX_SHARE = 0.05


class CachedRefusals:
    """Used on the event loop. `set_capacity(call_id, capacity)` tells the server's thread; False: it is over."""

    def __init__(self, set_capacity: Callable[[int, int], bool]) -> None:
        self._set_capacity = set_capacity
        self._capacities: dict[int, Capacity] = {}  # by the id of the call that was refused
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call_id: int, capacity: Capacity) -> None:
        """Look after the refusal of a call until it has ended."""
        self._capacities[call_id] = capacity
        if self._timer is None:
            self._look_in(LOOK_EVERY_SECONDS)

    def close(self) -> None:
        """Look no more."""
        self._capacities.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _look_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        began = time.monotonic()
        self._capacities = {
            call_id: capacity
            for call_id, capacity in self._capacities.items()
            if self._set_capacity(call_id, capacity())
        }
        self._timer = None
        if self._capacities:
            self._look_in(max(LOOK_EVERY_SECONDS, (time.monotonic() - began) / _MAX_SHARE))
