"""Cached refusals: what a call was answered holds for those like it, which the server's thread then answers itself.

While it is cached, the handler's side is asked again and again how many more such calls it would take. That is no room
for calls that are let in and not begun. Connections of a caller hear each of the same room, so each has its part of it:
else all of them would fill it at once, and to refuse in the handler what is too much costs as much as to serve it.
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
    """Used on the event loop. `num_unbegun()`: how many calls are let in and have not begun.

    `set_capacity(call_id, capacity)` tells the server's thread; False: it is over.
    """

    def __init__(self, num_unbegun: Callable[[], int], set_capacity: Callable[[int, int], bool]) -> None:
        self._num_unbegun = num_unbegun
        self._set_capacity = set_capacity
        self._capacities: dict[int, Capacity] = {}  # by the id of the call that was refused
        self._num_looks = 0
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
        num_unbegun, num_kinds = self._num_unbegun(), len(self._capacities)
        self._num_looks += 1  # whose part is rounded up changes
        self._capacities = {
            call_id: capacity
            for place, (call_id, capacity) in enumerate(self._capacities.items(), self._num_looks)
            if self._set_capacity(call_id, (capacity() - num_unbegun + place % num_kinds) // num_kinds)
        }
        self._timer = None
        if self._capacities:
            self._look_in(max(LOOK_EVERY_SECONDS, (time.monotonic() - began) / _MAX_SHARE))
