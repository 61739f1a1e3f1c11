"""The bridge from the engine's thread to a request's coroutine: all that is ready is taken at once.

Used on the event loop only; the engine's thread reaches it through `loop.call_soon_threadsafe`.
"""

import asyncio
import math
import time
from dataclasses import dataclass

from services.ar.engine.gathering import Delivery
from services.ar.engine.sequence import FinishReason, SampledToken, Sequence


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
