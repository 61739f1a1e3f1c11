"""Calls that a service answers without a coroutine each, many at once, because it knows beforehand what they need.

Only the compiled server offers it. All other calls, and those of this kind that a fast path leaves, go to the methods.
"""

from __future__ import annotations

from typing import Protocol


class Replies(Protocol):
    """How a fast path ends its calls, on the event loop."""

    def finish(self, call_id: int, message: bytes | None, trailers: bytes) -> None:
        """End one call: see `runtime.http2.metadata.trailers`."""

    def finish_records(self, records: int, count: int, num_bytes: int) -> None:
        """End `count` calls by the records at an address, as server.h has them; their messages have `num_bytes`."""


class FastPath(Protocol):
    """Used on the event loop alone."""

    def connect(self, replies: Replies) -> None:
        """Learn how calls are ended; before any other method is called."""

    def take(self, records: bytes) -> bytes:
        """Begin those calls that it can answer; return the records (see `runtime.http2.events`) of all others."""

    def cancel(self, call_id: int) -> bool:
        """End a call whose client has gone, or whose deadline has passed; return whether it is one of its own."""

    @property
    def num_open(self) -> int:
        """Calls that it has begun and not ended."""

    async def wait_ended(self) -> None:
        """Return when it has no open call."""

    def stop(self) -> None:
        """End what is open: UNAVAILABLE."""
