"""What all open grammars of a model may hold together: each counts as the most that one can grow to.

A grammar grows while an output follows it, and llguidance does not report its size. Its limits (`limits.py`) keep
it below `MAX_GRAMMAR_BYTES`, most stay below a megabyte.
"""

from __future__ import annotations

import math
import threading
from collections import Counter

from runtime.errors import ResourceExhausted
from runtime.rpc.caller import NOBODY

MAX_GRAMMAR_BYTES = 40_000_000
"""39 MB were measured of the worst of the grammars in the tests."""
_RETRY_SECONDS = 1.0


class Room:
    """The place of one request's grammar; it is given back when nothing holds it any more."""

    def __init__(self, memory: GrammarMemory, caller: str) -> None:
        self._memory: GrammarMemory | None = memory
        self._caller = caller

    def give_back(self) -> None:
        """Give it back now; once is enough."""
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.forget(self._caller)

    def __del__(self) -> None:
        self.give_back()


class GrammarMemory:
    """At most `max_bytes`, at least one grammar; `max_caller_share` of them for one caller that is known.

    Any thread may call.
    """

    def __init__(self, max_bytes: int, max_caller_share: float) -> None:
        self._most = max(1, max_bytes // MAX_GRAMMAR_BYTES)
        self._most_of_caller = max(1, math.floor(max_caller_share * self._most))
        # Of a kind that a thread may take twice: the garbage collector can come while it is held, and free a room.
        self._lock = threading.RLock()
        self._open: Counter[str] = Counter()  # by caller
        self.num_open = 0

    def room(self, caller: str) -> Room:
        """Return a place for one more grammar of the caller. Raises ResourceExhausted if there is none."""
        what = "the memory for constraints of open requests"
        with self._lock:
            if self.num_open >= self._most:
                raise ResourceExhausted(what, self._most, _RETRY_SECONDS)
            if caller != NOBODY and self._open[caller] >= self._most_of_caller:
                raise ResourceExhausted(f"a caller's part of {what}", self._most_of_caller, _RETRY_SECONDS)
            self.num_open += 1
            self._open[caller] += 1
        return Room(self, caller)

    def forget(self, caller: str) -> None:
        """Count a grammar of the caller that is gone."""
        with self._lock:
            self.num_open -= 1
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]
