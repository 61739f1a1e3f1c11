"""The bridge from the engine's thread to a request's coroutine: all that is ready is taken at once.

The engine's thread gathers the tokens of replies that are not streamed, so that the event loop is not woken for each of
them: to take a token it needs the interpreter's lock, and the engine's thread needs it to go on. With a small model
that takes nearly as long as a step. A stream is used on the event loop only.
"""

import asyncio
import math
import time

from services.ar.engine.sequence import Sequence
from services.ar.engine.step import Progress

MOST_TOKENS = 64
"""Held back of one sequence at most, so that a reader's work with a long output does not all come at its end."""


class Gathering:
    """Takes what each step brought, and returns what is due to the readers; used by the engine's thread only."""

    def __init__(self) -> None:
        self._held: dict[int, Progress] = {}  # by id of a sequence

    def add(self, progress: list[Progress], sampled_at: float) -> list[Progress]:
        """Return what is due after a step: all of a streamed sequence, of others once enough is held or they end."""
        return [due for item in progress if (due := self._add(item, sampled_at)) is not None]

    def drop(self, sequence: Sequence) -> None:
        """Discard the tokens of a sequence that was cancelled."""
        self._held.pop(id(sequence), None)

    def _add(self, item: Progress, sampled_at: float) -> Progress | None:
        if not item.is_last and not item.tokens:
            return None
        item.first_sampled_at = item.last_sampled_at = sampled_at
        if item.sequence.is_streamed:
            return item
        held = self._held.setdefault(id(item.sequence), item)
        if held is not item:
            held.tokens = held.tokens + item.tokens
            held.finish_reason, held.error, held.last_sampled_at = item.finish_reason, item.error, sampled_at
        if not item.is_last and len(held.tokens) < MOST_TOKENS:
            return None
        return self._held.pop(id(item.sequence))


class RequestStream:
    """The outputs of all sequences of one request, and when its first and last token came (monotonic seconds)."""

    def __init__(self, sequences: list[Sequence]) -> None:
        self.sequences = sequences
        self.accepted_at = time.monotonic()
        self.first_token_at: float | None = None
        self.last_token_at: float | None = None
        self._open = {id(sequence) for sequence in sequences}
        self._ready: list[Progress] = []
        self._error: BaseException | None = None
        self._wake = asyncio.Event()

    @property
    def is_finished(self) -> bool:
        """Whether every sequence has ended and all output was taken."""
        return not self._open and not self._ready

    def open_sequences(self) -> list[Sequence]:
        """Return the sequences that have not ended."""
        return [sequence for sequence in self.sequences if id(sequence) in self._open]

    def put(self, progress: Progress) -> None:
        """Add what steps brought to one of the sequences."""
        if progress.tokens:
            self.first_token_at = min(self.first_token_at or math.inf, progress.first_sampled_at)
            self.last_token_at = max(self.last_token_at or -math.inf, progress.last_sampled_at)
        self._ready.append(progress)
        if progress.finish_reason is not None:
            self._open.discard(id(progress.sequence))
        self._wake.set()

    def close(self, sequence: Sequence) -> None:
        """Expect nothing more of a sequence."""
        self._open.discard(id(sequence))

    def fail(self, error: BaseException) -> None:
        """Make the reader raise `error`."""
        self._error = error
        self._wake.set()

    async def get(self) -> list[Progress]:
        """Return all outputs since the last call, waiting for at least one. Raises what `fail` was given, once."""
        await self._wake.wait()
        if self._error is not None:
            # Its traceback holds this frame, and so the stream: if that held it too, both would stay for the collector.
            error, self._error = self._error, None
            try:
                raise error
            finally:
                del error
        self._wake.clear()
        ready, self._ready = self._ready, []
        return ready
