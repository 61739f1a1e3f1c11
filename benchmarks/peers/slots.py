"""Continuous batching for a library that only computes: slots with a request each, and what a step computes of them.

As llama.cpp's server does it: every request that is under way gets a token a step, and new prompts fill what is left of
the batch. Knows no library, no threads and no HTTP.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.peers.batching_thread import News, Request


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

    def forget(self, sequence: int, position: int) -> None:
        """Remove a sequence's keys and values from a position on."""


@dataclass
class _Slot:
    """One of the context's sequences: its tokens, of which the first `num_computed` have keys and values."""

    number: int
    tokens: list[int] = field(default_factory=list)
    num_computed: int = 0
    request: Request | None = None


class Slots:
    """All sequences of a context, and the requests that wait for one. Implements `Steps`.

    With `keeps_prompts`, a free slot keeps its tokens: the next request to begin with them need not compute them again.
    """

    def __init__(self, context: Context, num_slots: int, max_batch_tokens: int, keeps_prompts: bool = False) -> None:
        self._context = context
        self._slots = [_Slot(number) for number in range(num_slots)]
        self._max_batch_tokens = max_batch_tokens
        self._keeps_prompts = keeps_prompts
        self._waiting: deque[Request] = deque()

    @property
    def is_idle(self) -> bool:
        return not self._waiting and all(slot.request is None for slot in self._slots)

    def add(self, request: Request) -> None:
        self._waiting.append(request)

    def step(self) -> News:
        """Compute once; return what is new to whom."""
        self._release()
        self._admit()
        chunks = self._chunks()
        if not chunks:
            return []
        next_tokens = self._context.decode(chunks)
        news: News = []
        for chunk in chunks:
            slot = self._slots[chunk.sequence]
            slot.num_computed += len(chunk.tokens)
            if chunk.wants_next and (request := slot.request):
                token = next_tokens[chunk.sequence]
                slot.tokens.append(token)
                request.num_left -= 1
                news.append((request.sink, (0, [token])))
                if request.is_over:
                    news.append((request.sink, None))
        return news

    def _release(self) -> None:
        """Free the slots of requests that are over."""
        for slot in self._slots:
            if slot.request and slot.request.is_over:
                slot.request = None
                self._keep(slot, slot.num_computed if self._keeps_prompts else 0)

    def _admit(self) -> None:
        """Give each waiting request the free slot that has most of its prompt."""
        free = [slot for slot in self._slots if slot.request is None]
        while free and self._waiting:
            request = self._waiting.popleft()
            slot = max(free, key=lambda slot: _num_common(slot.tokens, request.prompt))
            free.remove(slot)
            # The last token is computed in any case: its logits are wanted.
            self._keep(slot, min(_num_common(slot.tokens, request.prompt), len(request.prompt) - 1))
            slot.tokens = list(request.prompt)
            slot.request = request

    def _keep(self, slot: _Slot, num_tokens: int) -> None:
        if num_tokens < slot.num_computed:
            self._context.forget(slot.number, num_tokens)
        slot.num_computed = num_tokens
        del slot.tokens[num_tokens:]

    def _chunks(self) -> list[Chunk]:
        """Return a step's work: slots that lack one token go first, then prompts as far as they fit."""
        chunks = []
        num_free = self._max_batch_tokens
        running = [slot for slot in self._slots if slot.request]
        for slot in sorted(running, key=lambda slot: len(slot.tokens) - slot.num_computed > 1):
            end = min(len(slot.tokens), slot.num_computed + num_free)
            if tokens := slot.tokens[slot.num_computed : end]:
                chunks.append(Chunk(slot.number, slot.num_computed, tokens, end == len(slot.tokens)))
                num_free -= len(tokens)
        return chunks


def _num_common(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many tokens two sequences have in common at their beginning."""
    length = min(len(a), len(b))
    return next((place for place in range(length) if a[place] != b[place]), length)
