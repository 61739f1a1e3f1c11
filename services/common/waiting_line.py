"""Requests that wait for room in a bounded queue, first come, first served. Used by the event loop alone.

What remains of a call that has begun waits for room; new requests are refused when there is none, or when they would
wait too long. New requests of a few entries would take each place that becomes free, so that there would never be room
for a part of many entries. Therefore the two take turns: new requests get as many places as the first waiting part
needs, and then none until that part has joined the queue. New requests have their turn because several calls may always
have a part that waits.

A part that waits only because its caller's share of the queue is full delays no other caller, and none delays a caller
who holds less of the queue than the part's own does, nor a connection of its own caller that holds less.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from runtime.deadlines import Deadline
from runtime.rpc.metadata import NOBODY, connection_of
from tandem.shared.errors import WaitTooLong


class Queue(Protocol):
    """What a line knows of its queue; an entry is a sample of a batch, or a sequence."""

    @property
    def is_empty(self) -> bool: ...

    def has_room(self, count: int) -> bool:
        """Return whether `count` more entries fit the queue."""

    def has_room_of_caller(self, caller: str, count: int) -> bool:
        """Return whether `count` more entries are within the share of the queue that one caller may hold."""

    def num_of_caller(self, caller: str) -> int:
        """Return how many entries of the caller are in the queue."""

    def num_of_connections(self, caller: str) -> Counter[str]:
        """Return how many entries of each of the caller's connections are in the queue."""


@dataclass(eq=False, slots=True)
class _Waiting:
    caller: str
    count: int
    num_passed: int = 0  # entries of new requests that joined the queue before it


class WaitingLine:
    """The line of one queue. Tell it by `look` that there may be more room."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._line: list[_Waiting] = []
        self._changed = asyncio.Event()
        self._is_closed = False

    def has_room(self, caller: str, count: int) -> bool:
        """Return whether the queue and the caller's share of it have room for the entries, apart from whose turn it is.

        Requests without a known caller may come from many callers, so no share limits them.
        """
        return self._queue.has_room(count) and self._has_room_of_caller(caller, count)

    @property
    def is_empty(self) -> bool:
        """Whether no part waits."""
        return not self._line

    def places(self, caller: str) -> float:
        """Return how many entries of new requests may join before the first waiting part; infinite without one."""
        first = self._first(caller)
        return math.inf if first is None else first.count - first.num_passed

    def passed(self, caller: str, count: int) -> None:
        """Note that a new request joined the queue."""
        first = self._first(caller)
        if first is not None:
            first.num_passed += count

    async def wait(self, caller: str, count: int) -> None:
        """Return when it is the caller's turn and `count` more entries fit; they must join the queue at once.

        Whatever their number, it returns when the queue is empty.
        """
        with self._in_line(_Waiting(caller, count)) as own:
            while not (self._is_closed or (self._first(caller) is own and self._fits(own))):
                self._changed.clear()
                await self._changed.wait()

    def look(self) -> None:
        """Let waiting parts check for room again."""
        if self._line:
            self._changed.set()

    def close(self) -> None:
        """Let all waiting parts go on; none waits from now on."""
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
        """Return the first waiting part that comes before what the caller adds now."""
        return next((part for part in self._line if self._delays(part, caller)), None) if self._line else None

    def _delays(self, one: _Waiting, other: str) -> bool:
        if one.caller != other:
            holds_less = self._queue.num_of_caller(other) < self._queue.num_of_caller(one.caller)
            return self._has_room_of_caller(one.caller, one.count) and not holds_less
        own, its = connection_of(other), connection_of(one.caller)
        held = self._queue.num_of_connections(other)
        return own == its or held[own] >= held[its]

    def _has_room_of_caller(self, caller: str, count: int) -> bool:
        return caller == NOBODY or self._queue.has_room_of_caller(caller, count)

    def _fits(self, one: _Waiting) -> bool:
        return self._queue.is_empty or self.has_room(one.caller, one.count)


MIN_RETRY_SECONDS = 0.01


def check_wait(what: str, wait_seconds: float, max_wait_seconds: float, deadline: Deadline) -> None:
    """Raises WaitTooLong if the expected wait for `what` is longer than allowed, or than the deadline leaves time."""
    remaining = deadline.remaining_seconds()
    allowed = min(max_wait_seconds, remaining)
    if wait_seconds > allowed:
        by_deadline = "its deadline leaves beside the work itself"
        limit = by_deadline if remaining < max_wait_seconds else "the server lets anybody wait"
        raise WaitTooLong(what, wait_seconds, f"{allowed:.3g} s that {limit}", _retry_after(wait_seconds - allowed))


def _retry_after(seconds: float) -> float:
    return max(MIN_RETRY_SECONDS, round(seconds, 3))
