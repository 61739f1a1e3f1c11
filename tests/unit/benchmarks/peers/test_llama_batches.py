"""Contexts over a library in Python: a token's logits favour its position plus its sequence."""

import ctypes
from ctypes import POINTER, c_float, c_int8, c_int32

import numpy as np

from benchmarks.peers.llama_batches import Context
from benchmarks.peers.slots import Chunk

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

    llama_batch = Batch

    def __init__(self):
        self.seen = []

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
