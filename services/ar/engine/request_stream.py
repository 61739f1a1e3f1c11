"""The bridge from the engine's thread to a request's coroutine: all that is ready is taken at once.

The engine's thread gathers the tokens of replies that are not streamed, so that the event loop is not woken for each of
them: to take a token it needs the interpreter's lock, and the engine's thread needs it to go on. With a small model
that takes nearly as long as a step. A stream is used on the event loop only.
"""

import asyncio
import dataclasses
import math
import time
from dataclasses import dataclass

from services.ar.engine.sequence import FinishReason, SampledToken, Sequence
from services.ar.engine.step import Progress

MOST_TOKENS = 64
"""Held back of one sequence at most, so that a reader's work with a long output does not all come at its end."""


@dataclass(frozen=True)
class Delivery:
    """What is due to a sequence's reader."""

    progress: Progress
    first_sampled_at: float
    """When the first of its tokens was sampled, monotonic seconds."""
    last_sampled_at: float


class Gathering:
    """Takes what each step brought, and returns what is due to the readers; used by the engine's thread only."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[list[SampledToken], float]] = {}  # by id of a sequence: tokens, when they began

    def add(self, progress: list[Progress], sampled_at: float) -> list[Delivery]:
        """Return what is due after a step: all of a streamed sequence, of others once enough is held or they end."""
        deliveries = (self._add(item, sampled_at) for item in progress)
        return [delivery for delivery in deliveries if delivery is not None]

    def drop(self, sequence: Sequence) -> None:
        """Discard the tokens of a sequence that was cancelled."""
        self._held.pop(id(sequence), None)

    def _add(self, item: Progress, sampled_at: float) -> Delivery | None:
        has_ended = item.finish_reason is not None or item.error is not None
        if not has_ended and not item.tokens:
            return None
        if item.sequence.is_streamed:
            return Delivery(item, sampled_at, sampled_at)
        tokens, first_sampled_at = self._held.setdefault(id(item.sequence), ([], sampled_at))
        tokens.extend(item.tokens)
        if not has_ended and len(tokens) < MOST_TOKENS:
            return None
        del self._held[id(item.sequence)]
        return Delivery(dataclasses.replace(item, tokens=tokens), first_sampled_at, sampled_at)


@dataclass(frozen=True)
class SequenceOutput:
    """New tokens of one of a request's sequences; `finish_reason` is set on its last."""

    choice_index: int
    tokens: list[SampledToken]
    finish_reason: FinishReason | None


class RequestStream:
    """The outputs of all sequences of one request, and when its first and last token came (monotonic seconds)."""

    def __init__(self, sequences: list[Sequence]) -> None:
        self.sequences = sequences
        self.accepted_at = time.monotonic()
        self.first_token_at: float | None = None
        self.last_token_at: float | None = None
        self._open = {id(sequence) for sequence in sequences}
        self._ready: list[SequenceOutput] = []
        self._error: BaseException | None = None
        self._wake = asyncio.Event()

    @property
    def is_finished(self) -> bool:
        """Whether every sequence has ended and all output was taken."""
        return not self._open and not self._ready

    def open_sequences(self) -> list[Sequence]:
        """Return the sequences that have not ended."""
        return [sequence for sequence in self.sequences if id(sequence) in self._open]

    def put(self, delivery: Delivery) -> None:
        """Add what steps brought to one of the sequences."""
        progress = delivery.progress
        if progress.tokens:
            self.first_token_at = min(self.first_token_at or math.inf, delivery.first_sampled_at)
            self.last_token_at = max(self.last_token_at or -math.inf, delivery.last_sampled_at)
        self._ready.append(SequenceOutput(progress.sequence.choice_index, progress.tokens, progress.finish_reason))
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

    async def get(self) -> list[SequenceOutput]:
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
