"""Collects the tokens of replies that are not streamed, so that the event loop is not woken for each of them.

The event loop needs the interpreter's lock to take a token, and the engine's thread needs it to go on. With a small
model that takes nearly as long as a step. Used by the engine's thread only.
"""

import dataclasses
from dataclasses import dataclass, field

from services.ar.engine.sequence import SampledToken, Sequence
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


@dataclass
class _Held:
    tokens: list[SampledToken] = field(default_factory=list)
    first_sampled_at: float | None = None


class Gathering:
    """Takes what each step brought, and returns what is due to the readers."""

    def __init__(self) -> None:
        self._held: dict[int, _Held] = {}  # by id of a sequence

    def add(self, progress: list[Progress], sampled_at: float) -> list[Delivery]:
        """Return what is due after a step: all of a streamed sequence, of others once enough is held or they end."""
        deliveries = (self._add(item, sampled_at) for item in progress)
        return [delivery for delivery in deliveries if delivery is not None]

    def drop(self, sequence: Sequence) -> None:
        """Discard the tokens of a sequence that was cancelled."""
        self._held.pop(id(sequence), None)

    def _add(self, item: Progress, sampled_at: float) -> Delivery | None:
        has_ended = item.finish_reason is not None or item.error is not None
        if item.sequence.is_streamed:
            is_due = has_ended or bool(item.tokens)
            return Delivery(item, sampled_at, sampled_at) if is_due else None
        held = self._held.get(id(item.sequence))
        if held is None:
            held = self._held[id(item.sequence)] = _Held()
        held.tokens.extend(item.tokens)
        if item.tokens and held.first_sampled_at is None:
            held.first_sampled_at = sampled_at
        if not has_ended and len(held.tokens) < MOST_TOKENS:
            return None
        del self._held[id(item.sequence)]
        gathered = dataclasses.replace(item, tokens=held.tokens)
        first = sampled_at if held.first_sampled_at is None else held.first_sampled_at
        return Delivery(gathered, first, sampled_at)
