"""What open requests may hold together of memory or of places: bounded as a whole, and for each caller.

Any thread may use it.
"""

from __future__ import annotations

import math
import threading
from collections import Counter

from runtime.rpc.metadata import NOBODY
from tandem.shared.errors import ResourceExhausted

_RETRY_SECONDS = 1.0


class Reservation:
    """The part of a memory that one request holds; it is given back when nothing holds it any more."""

    def __init__(self, memory: Memory, caller: str, amount: int) -> None:
        self._memory: Memory | None = memory
        self._caller = caller
        self._amount = amount

    def give_back(self) -> None:
        """Give it back now; once is enough."""
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.forget(self._caller, self._amount)

    def __del__(self) -> None:
        self.give_back()


class Memory:
    """At most `most`, in a unit of the owner's choice; `max_caller_share` of it for one caller that is known.

    Whatever it takes, a request gets its room while nothing is held, as does a caller's first one while it fits the
    whole. what: how errors name it.
    """

    def __init__(self, what: str, most: int, max_caller_share: float) -> None:
        self._what = what
        self._most = most
        self._most_of_caller = max(1, math.floor(max_caller_share * most))
        # Of a kind that a thread may take twice: the garbage collector can come while it is held, and free a room.
        self._lock = threading.RLock()
        self._held: Counter[str] = Counter()  # by caller
        self.num_held = 0

    def reserve(self, caller: str, amount: int = 1) -> Reservation:
        """Return room for so much of the caller's. Raises ResourceExhausted if there is none."""
        with self._lock:
            if self.num_held and self.num_held + amount > self._most:
                raise ResourceExhausted(self._what, self._most, _RETRY_SECONDS)
            own = self._held[caller]
            if caller != NOBODY and own and own + amount > self._most_of_caller:
                raise ResourceExhausted(f"a caller's part of {self._what}", self._most_of_caller, _RETRY_SECONDS)
            self.num_held += amount
            self._held[caller] += amount
        return Reservation(self, caller, amount)

    def forget(self, caller: str, amount: int) -> None:
        """Note that so much of the caller's is gone."""
        with self._lock:
            self.num_held -= amount
            self._held[caller] -= amount
            if not self._held[caller]:
                del self._held[caller]
