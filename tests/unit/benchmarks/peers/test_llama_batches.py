"""Contexts over a library in Python, whose logits favour a token's position plus its sequence; and slots over a context
that remembers what it was given, whose next token is the sum of a sequence's tokens so far.
"""

import ctypes
from ctypes import POINTER, c_float, c_int8, c_int32

import numpy as np
import pytest

from benchmarks.peers.llama_batches import Chunk, Context, Slots
from benchmarks.peers.text_server import Request

NUM_LOGITS = 100


class Batch(ctypes.Structure):
    _fields_ = [
        ("n_tokens", c_int32),
        *((name, POINTER(c_int32)) for name in ("token", "pos", "n_seq_id")),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(c_int8)),
    ]


class Library:
    """Notes each call's context, and its tokens with their sequences."""

    def __init__(self):
        self.seen = []

    def llama_batch_init(self, num_tokens, embedding_size, num_sequences):
        integers = [(c_int32 * num_tokens)() for _ in range(3)]
        sequences = (POINTER(c_int32) * num_tokens)(*((c_int32 * num_sequences)() for _ in range(num_tokens)))
        return Batch(0, *integers, sequences, (c_int8 * num_tokens)())

    def llama_decode(self, context, batch):
        sequences = [batch.seq_id[place][0] for place in range(batch.n_tokens)]
        self.seen.append((context, list(zip(sequences, batch.token[: batch.n_tokens], strict=True))))
        self.asking = [place for place in range(batch.n_tokens) if batch.logits[place]]
        self.rows = np.eye(NUM_LOGITS, dtype=np.float32)[[batch.pos[place] + sequences[place] for place in self.asking]]
        return 0

    def llama_get_logits_ith(self, context, place):
        assert place == self.asking[0]
        return self.rows.ctypes.data_as(POINTER(c_float))


def context_of(num_sharing, contexts):
    library, removed = Library(), []
    return Context(library, lambda *what: removed.append(what), num_sharing, contexts, NUM_LOGITS), library, removed


def test_each_context_gets_its_sequences_and_those_that_want_it_their_next_token():
    context, library, removed = context_of(2, [7, 8, 9])
    chunks = [Chunk(1, 4, [11], True), Chunk(0, 0, [12, 13], False), Chunk(5, 30, [14, 15], True)]
    assert context.decode(chunks) == {1: 4 + 1, 5: 31 + 1}
    assert library.seen == [(7, [(1, 11), (0, 12), (0, 13)]), (9, [(1, 14), (1, 15)])]
    assert context.decode([Chunk(0, 2, [12], False)]) == {}
    context.forget(5)
    assert removed == [(9, 1, 0, -1)]


def test_a_text_is_scored_in_a_sequence_without_a_past():
    context, _, removed = context_of(1, [7])
    assert context.all_logits([5, 6, 7]).argmax(axis=1).tolist() == [0, 1, 2]
    assert removed == [(7, 0, 0, -1)]


class SummingContext:
    """Holds a sequence's tokens in place of keys and values, and refuses gaps."""

    def __init__(self) -> None:
        self.held: dict[int, list[int]] = {}
        self.steps: list[list[int]] = []  # the numbers of tokens that each chunk of a step had

    def decode(self, chunks):
        self.steps.append([len(chunk.tokens) for chunk in chunks])
        found = {}
        for chunk in chunks:
            tokens = self.held.setdefault(chunk.sequence, [])
            assert chunk.position == len(tokens)
            tokens += chunk.tokens
            if chunk.wants_next:
                found[chunk.sequence] = sum(tokens)
        return found

    def forget(self, sequence):
        self.held[sequence].clear()


def run(slots):
    got = {}
    for _ in range(100):
        if slots.is_idle:
            return got
        for request, tokens in slots.step():
            got.setdefault(request, []).extend(tokens)
    raise AssertionError("it does not end")


def reply(prompt, num_tokens):
    tokens = list(prompt)
    for _ in range(num_tokens):
        tokens.append(sum(tokens))
    return tokens[len(prompt) :]


@pytest.mark.parametrize("max_batch_tokens", [2, 4, 100])
def test_each_request_gets_its_tokens_whatever_runs_beside_it(max_batch_tokens):
    slots = Slots(SummingContext(), 2, max_batch_tokens)
    asked = [([1, 2, 3, 4, 5], 3), ([7], 1), ([1, 2, 3], 4), ([1, 2, 3, 4, 6], 2)]
    requests = [Request(prompt, num_tokens) for prompt, num_tokens in asked]
    for request in requests:
        slots.add(request)
    got = run(slots)
    assert [got[request] for request in requests] == [reply(prompt, num_tokens) for prompt, num_tokens in asked]


def test_running_requests_go_before_prompts_which_fill_the_batch():
    context = SummingContext()
    slots = Slots(context, 3, 6)
    slots.add(Request([1, 2], 9))
    slots.step()
    slots.add(Request([1] * 8, 1))
    slots.add(Request([1] * 3, 1))
    for _ in range(3):
        slots.step()
    assert context.steps == [[2], [1, 5], [1, 3, 2], [1, 1]]
