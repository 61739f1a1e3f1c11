"""What all open grammars of a model may hold together: each counts as the most that one can grow to.

A grammar grows while an output follows it, and llguidance does not report its size. Its limits (`limits.py`) keep
it below `MAX_GRAMMAR_BYTES`, most stay below a megabyte.
"""

from __future__ import annotations

import threading

from runtime.errors import ResourceExhausted

MAX_GRAMMAR_BYTES = 40_000_000
"""39 MB were measured of the worst of the grammars in the tests."""
_RETRY_SECONDS = 1.0


class Room:
    """The place of one request's grammar; it is given back when nothing holds it any more."""

    def __init__(self, memory: GrammarMemory) -> None:
        self._memory: GrammarMemory | None = memory

    def give_back(self) -> None:
        """Give it back now; once is enough."""
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.forget()

    def __del__(self) -> None:
        self.give_back()


class GrammarMemory:
    """At most `max_bytes`, at least one grammar. Any thread may call."""

    def __init__(self, max_bytes: int) -> None:
        self._most = max(1, max_bytes // MAX_GRAMMAR_BYTES)
        # Of a kind that a thread may take twice: the garbage collector can come while it is held, and free a room.
        self._lock = threading.RLock()
        self.num_open = 0

    def room(self) -> Room:
        """Return a place for one more grammar. Raises ResourceExhausted if there is none."""
        with self._lock:
            if self.num_open >= self._most:
                raise ResourceExhausted("the memory for constraints of open requests", self._most, _RETRY_SECONDS)
            self.num_open += 1
        return Room(self)

    def forget(self) -> None:
        """Count a grammar that is gone."""
        with self._lock:
            self.num_open -= 1
