"""What llama.cpp's library and its fork's have in common: batches of several sequences, and a server around them.

As llama.cpp's server does it: every request that is under way gets a token a step, and new prompts fill what is left of
the batch.
"""

import argparse
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.text_server import News, Request, serve

MAX_BATCH_TOKENS = 2048  # the default of both servers


@dataclass(frozen=True)
class Chunk:
    """Tokens of a sequence that a step computes. If `wants_next`, its last one's logits give the next token."""

    sequence: int
    position: int
    tokens: list[int]
    wants_next: bool


def set_sizes(params: Any, num_sequences: int, num_sequence_tokens: int) -> Any:
    """Set what the parameters of a context say of its size and threads; return them."""
    params.n_ctx = num_sequences * num_sequence_tokens
    params.n_batch = MAX_BATCH_TOKENS
    params.n_seq_max = num_sequences
    params.n_threads = params.n_threads_batch = os.cpu_count() or 1
    return params


def open_contexts(
    library: Any, weights: Path, model_params: Any, context_params: Sequence[Any]
) -> tuple[list[Any], int]:
    """Return contexts with one set of weights, and how many logits a token has."""
    library.llama_backend_init()
    model = library.llama_model_load_from_file(os.fsencode(weights), model_params)
    if not model:
        raise RuntimeError(f"{weights}: the model was not loaded")
    contexts = [library.llama_init_from_model(model, params) for params in context_params]
    if not all(contexts):
        raise RuntimeError("a context was not made")
    return contexts, library.llama_vocab_n_tokens(library.llama_model_get_vocab(model))


class Context:
    """The library, with the keys and values of all sequences: several of its contexts, of `num_sharing` sequences each.

    `remove` is its function that forgets.
    """

    def __init__(self, library: Any, remove: Any, num_sharing: int, contexts: Sequence[Any], num_logits: int) -> None:
        self._library = library
        self._remove = remove
        self._num_sharing = num_sharing
        self._contexts = contexts
        self._num_logits = num_logits
        self._batch = library.llama_batch_init(MAX_BATCH_TOKENS, 0, 1)

    def decode(self, chunks: Sequence[Chunk]) -> dict[int, int]:
        """Compute the chunks; return the next token by sequence, of those that want it."""
        found: dict[int, int] = {}
        for number, context in enumerate(self._contexts):
            own = [chunk for chunk in chunks if chunk.sequence // self._num_sharing == number]
            asking = [chunk.sequence for chunk in own if chunk.wants_next]
            found |= zip(asking, map(int, self._logits(context, own).argmax(axis=1)), strict=True)
        return found

    def all_logits(self, tokens: list[int]) -> NDArray[np.float32]:
        """Return the logits after each token of a sequence, until the next call."""
        self.forget(0)
        return self._logits(self._contexts[0], [Chunk(0, 0, tokens, wants_next=True)], wants_all=True)

    def forget(self, sequence: int) -> None:
        """Remove a sequence's keys and values."""
        number, own_sequence = divmod(sequence, self._num_sharing)
        self._remove(self._contexts[number], own_sequence, 0, -1)

    def _logits(self, context: Any, chunks: Sequence[Chunk], wants_all: bool = False) -> NDArray[np.float32]:
        """Compute chunks of a context; return a row for each that wants the next token, or for all their tokens."""
        batch, places = self._batch, []
        batch.n_tokens = 0
        for chunk in chunks:
            for position, token in enumerate(chunk.tokens, chunk.position):
                place = batch.n_tokens
                batch.token[place], batch.pos[place], batch.n_seq_id[place] = token, position, 1
                batch.seq_id[place][0] = chunk.sequence % self._num_sharing
                is_last = position + 1 == chunk.position + len(chunk.tokens)
                batch.logits[place] = wants_all or (is_last and chunk.wants_next)
                places += [place] * batch.logits[place]
                batch.n_tokens += 1
        if batch.n_tokens and (status := self._library.llama_decode(context, batch)):
            raise RuntimeError(f"llama_decode returned {status}")
        if not places:
            return np.empty((0, self._num_logits), np.float32)
        first = self._library.llama_get_logits_ith(context, places[0])  # the others' rows follow it
        return np.ctypeslib.as_array(first, shape=(len(places), self._num_logits))


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


def serve_context(doc: str | None, load: Callable[[argparse.Namespace], Context], *more: str) -> None:
    """Serve what `load` makes of the command line; `more` are flags, paths, that it has besides."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    for flag in ("--weights", *more):
        parser.add_argument(flag, type=Path, required=True)
    parser.add_argument("--slots", type=int, required=True, help="sequences at a time")
    parser.add_argument("--slot-tokens", type=int, required=True, help="prompt and output of one sequence")
    options = parser.parse_args()
    serve(options.port, Slots(load(options), options.slots, MAX_BATCH_TOKENS))
