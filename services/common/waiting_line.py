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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from runtime.deadlines import Deadline
from runtime.rpc.metadata import NOBODY, connection_of
from services.common.fair_queue import CallerCounts
from tandem.shared.errors import ResourceExhausted, WaitTooLong


@dataclass(eq=False, slots=True)
class _Waiting:
    caller: str
    count: int
    num_passed: int = 0  # entries of new requests that joined the queue before it


class WaitingLine:
    """The line of one queue, of which `counts` tells what is in it. Tell it by `look` that there may be more room."""

    def __init__(self, counts: CallerCounts) -> None:
        self._counts = counts
        self._line: list[_Waiting] = []
        self._changed = asyncio.Event()
        self._is_closed = False

    def has_room(self, caller: str, count: int) -> bool:
        """Return whether the queue and the caller's share of it have room for the entries, apart from whose turn it is.

        Requests without a known caller may come from many callers, so no share limits them.
        """
        return self._counts.has_room(count) and self._has_room_of_caller(caller, count)

    @property
    def is_empty(self) -> bool:
        """Whether no part waits."""
        return not self._line

    def places(self, caller: str) -> float:
        """Return how many entries of new requests may join before the first waiting part; infinite without one."""
        first = self._first(caller)
        return math.inf if first is None else first.count - first.num_passed

    def capacity_left(self, caller: str) -> float:
        """Return how many entries of new requests of the caller have room, and their turn."""
        free = min(self._counts.whole - self._counts.total, self.places(caller))
        return free if caller == NOBODY else min(free, self._counts.capacity_left(caller, one_by_one=True))

    def check(self, what: str, caller: str, count: int, is_begun: bool, retry_seconds: Callable[[], float]) -> None:
        """Raises ResourceExhausted, about the queue `what`, if the entries have no room.

        Or if it is the turn of a part that waits, unless they are the rest of a request that `is_begun`.
        """
        has_room = self.has_room(caller, count)
        if has_room and (is_begun or count <= self.places(caller)):
            return
        if has_room or not self._counts.has_room(count):
            raise ResourceExhausted(what, self._counts.whole, retry_seconds())
        raise ResourceExhausted(f"a caller's part of {what}", self._counts.share, retry_seconds())

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
            holds_less = self._counts.of_caller[other] < self._counts.of_caller[one.caller]
            return self._has_room_of_caller(one.caller, one.count) and not holds_less
        own, its = connection_of(other), connection_of(one.caller)
        held = self._counts.of_connections(other)
        return own == its or held[own] >= held[its]

    def _has_room_of_caller(self, caller: str, count: int) -> bool:
        return caller == NOBODY or count <= self._counts.capacity_left(caller)

    def _fits(self, one: _Waiting) -> bool:
        return not self._counts.total or self.has_room(one.caller, one.count)


MIN_RETRY_SECONDS = 0.01


def check_wait(what: str, wait_seconds: float, max_wait_seconds: float, deadline: Deadline) -> None:
    """Raises WaitTooLong if the expected wait for `what` is longer than allowed, or than the deadline leaves time."""
    remaining = deadline.remaining_seconds()
    allowed = min(max_wait_seconds, remaining)
    if wait_seconds > allowed:
        by_deadline = "its deadline leaves beside the work itself"
        limit = by_deadline if remaining < max_wait_seconds else "the server lets anybody wait"
        raise WaitTooLong(what, wait_seconds, f"{allowed:.3g} s that {limit}", retry_after(wait_seconds - allowed))


def retry_after(seconds: float) -> float:
    """Return after how many seconds to tell a caller to come back, who would have to wait so long."""
    return max(MIN_RETRY_SECONDS, round(seconds, 3))
