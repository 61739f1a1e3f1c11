"""The requests that are under way in an engine of llama.cpp's kind, and what a step computes of them.

As llama.cpp's server does it: every request that is under way gets a token a step, and new prompts fill what is left of
the batch. Knows no library, no threads and no HTTP.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.peers.text_server import News, Request


@dataclass(frozen=True)
class Chunk:
    """Tokens of a sequence that a step computes. If `wants_next`, its last one's logits give the next token."""

    sequence: int
    position: int
    tokens: list[int]
    wants_next: bool


class Context(Protocol):
    """The library, with the keys and values of all sequences."""

    def decode(self, chunks: Sequence[Chunk]) -> dict[int, int]:
        """Compute the chunks; return the next token by sequence, of those that want it."""

    def forget(self, sequence: int) -> None:
        """Remove a sequence's keys and values."""


@dataclass
class _Slot:
    """One of the context's sequences: its tokens, of which the first `num_computed` have keys and values."""

    number: int
    tokens: list[int] = field(default_factory=list)
    num_computed: int = 0
    request: Request | None = None

    @property
    def num_lacking(self) -> int:
        return len(self.tokens) - self.num_computed


class Slots:
    """All sequences of a context, and the requests that wait for one. Implements `Steps`."""

    def __init__(self, context: Context, num_slots: int, max_batch_tokens: int) -> None:
        self._context = context
        self._slots = [_Slot(number) for number in range(num_slots)]
        self._max_batch_tokens = max_batch_tokens
        self._waiting: deque[Request] = deque()

    @property
    def is_idle(self) -> bool:
        return not self._waiting and all(slot.request is None for slot in self._slots)

    def add(self, request: Request) -> None:
        self._waiting.append(request)

    def step(self) -> News:
        """Compute once; return what is new to whom."""
        for slot in self._slots:
            if slot.request is None and self._waiting:
                slot.request = self._waiting.popleft()
                slot.tokens, slot.num_computed = list(slot.request.prompt), 0
        chunks = self._chunks()
        next_tokens = self._context.decode(chunks)
        news: News = []
        for chunk in chunks:
            slot = self._slots[chunk.sequence]
            slot.num_computed += len(chunk.tokens)
            if chunk.wants_next and (request := slot.request):
                token = next_tokens[chunk.sequence]
                slot.tokens.append(token)
                request.num_left -= 1
                news.append((request, [token]))
                if request.num_left <= 0:
                    slot.request = None
                    self._context.forget(slot.number)
        return news

    def _chunks(self) -> list[Chunk]:
        """Return a step's work: slots that lack one token go first, then prompts as far as they fit."""
        chunks = []
        num_free = self._max_batch_tokens
        running = [slot for slot in self._slots if slot.request]
        for slot in sorted(running, key=lambda slot: slot.num_lacking > 1):
            end = slot.num_computed + min(slot.num_lacking, num_free)
            if tokens := slot.tokens[slot.num_computed : end]:
                chunks.append(Chunk(slot.number, slot.num_computed, tokens, end == len(slot.tokens)))
                num_free -= len(tokens)
        return chunks
