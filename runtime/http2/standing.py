"""Refusals that stand: what a call was answered holds for those like it, which the server's thread then answers itself.

While it stands, the handler's side is asked again and again how many more such calls it would take.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

Room = Callable[[], int]
"""Returns how many more calls like one that was refused would be taken now."""

LOOK_EVERY_SECONDS = 0.01
# Of the event loop's time at the most.
_MAX_SHARE = 0.05


class Standings:
    """Used on the event loop. `make_room(call_id, room)` tells the server's thread; False: the refusal has ended."""

    def __init__(self, make_room: Callable[[int, int], bool]) -> None:
        self._make_room = make_room
        self._rooms: dict[int, Room] = {}  # by the id of the call that was refused
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call_id: int, room: Room) -> None:
        """Look after the refusal of a call until it does not stand any more."""
        self._rooms[call_id] = room
        if self._timer is None:
            self._look_in(LOOK_EVERY_SECONDS)

    def close(self) -> None:
        """Look no more."""
        self._rooms.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _look_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        began = time.monotonic()
        self._rooms = {call_id: room for call_id, room in self._rooms.items() if self._make_room(call_id, room())}
        self._timer = None
        if self._rooms:
            self._look_in(max(LOOK_EVERY_SECONDS, (time.monotonic() - began) / _MAX_SHARE))
