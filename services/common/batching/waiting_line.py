"""Those who wait for room in a batcher's queue, first come, first served. Owned by the event loop.

What has begun waits instead of being refused. Newcomers of a few samples would take each place that becomes free, and
the places for many samples would never be free at once. So newcomers and those who wait take turns: newcomers get as
many places as the first in the line asks for, then none until it has its own. Without their turn, a line that never
ends, of the parts of several streams, would keep all others out.

Who waits only because its caller has its part of the queue holds up no other callers.
"""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from runtime.rpc.caller import NOBODY
from services.common.batching.queue import BatchQueue


@dataclass(eq=False, slots=True)
class _Waiting:
    caller: str
    num_samples: int
    num_passed: int = 0  # samples of newcomers that it let pass


class WaitingLine:
    """The line of one queue. Tell it by `look` that there may be more room."""

    def __init__(self, queue: BatchQueue[Any, Any]) -> None:
        self._queue = queue
        self._line: list[_Waiting] = []
        self._changed = asyncio.Event()
        self._is_closed = False

    def has_room(self, caller: str, num_samples: int) -> bool:
        """Return whether the queue has room for the samples, and the caller's part of it, whoever waits.

        Those whose caller is unknown are many: all room is theirs.
        """
        return self._queue.has_room(num_samples) and self._has_room_of_caller(caller, num_samples)

    def places(self, caller: str) -> float:
        """Return how many samples of newcomers of the caller may pass those who wait; infinite if nobody waits."""
        first = self._first(caller)
        return math.inf if first is None else first.num_samples - first.num_passed

    def passed(self, caller: str, num_samples: int) -> None:
        """Note that a newcomer joined the queue."""
        first = self._first(caller)
        if first is not None:
            first.num_passed += num_samples

    async def wait(self, caller: str, num_samples: int) -> None:
        """Return when it is the caller's turn and `num_samples` more fit; they must join the queue at once.

        Whatever their number, it returns when the queue is empty.
        """
        with self._in_line(_Waiting(caller, num_samples)) as own:
            while not (self._is_closed or (self._first(caller) is own and self._fits(own))):
                self._changed.clear()
                await self._changed.wait()

    def look(self) -> None:
        """Let those who wait see whether there is room now."""
        self._changed.set()

    def close(self) -> None:
        """Let nobody wait any more."""
        self._is_closed = True
        self.look()

    @contextmanager
    def _in_line(self, own: _Waiting) -> Iterator[_Waiting]:
        self._line.append(own)
        try:
            yield own
        finally:
            self._line.remove(own)
            self.look()

    def _first(self, caller: str) -> _Waiting | None:
        """Return the first of those who come before whatever the caller adds now, or has waiting."""
        return next((each for each in self._line if each.caller == caller or self._waits_for_all(each)), None)

    def _waits_for_all(self, one: _Waiting) -> bool:
        return self._has_room_of_caller(one.caller, one.num_samples)

    def _has_room_of_caller(self, caller: str, num_samples: int) -> bool:
        return caller == NOBODY or self._queue.has_room_of_caller(caller, num_samples)

    def _fits(self, one: _Waiting) -> bool:
        return not self._queue.num_samples or self.has_room(one.caller, one.num_samples)
