"""ik_llama.cpp's library behind HTTP, batched as its own server does it; runs in the package's own environment.

    python -m benchmarks.peers.ik_llama_server --port 8000 --weights q4_0.gguf --slots 8 --slot-tokens 2048

The weights are in memory once, the keys and values in several of the library's contexts.
"""

import argparse
import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ik_llama_cpp import _ctypes_api as library

from benchmarks.peers.batching_thread import BatchingThread
from benchmarks.peers.completions_server import serve
from benchmarks.peers.slots import Chunk, Slots

MAX_BATCH_TOKENS = 2048  # the default of its server
MAX_SHARING = 4
"""Sequences of one context. Each attends to the cells of all of them, most of which are masked: with 32 that takes most
of a step. On AVX2 a token takes 7.8 ms of a core if a context has one sequence, 5.2 of four, 5.8 of eight."""

# The package has no binding of this one.
_remove = library._lib.llama_kv_cache_seq_rm
_remove.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32, ctypes.c_int32]
_remove.restype = ctypes.c_bool


class Context:
    """See `benchmarks.peers.slots.Context`. Several of the library's, with one set of weights."""

    def __init__(self, weights: Path, num_sequences: int, num_sequence_tokens: int) -> None:
        library.llama_backend_init()
        model = library.llama_model_load_from_file(os.fsencode(weights), _model_params())
        if not model:
            raise RuntimeError(f"{weights}: the model was not loaded")
        firsts = range(0, num_sequences, MAX_SHARING)
        sizes = [min(MAX_SHARING, num_sequences - first) for first in firsts]
        self._contexts = [library.llama_init_from_model(model, _context_params(n, num_sequence_tokens)) for n in sizes]
        if not all(self._contexts):
            raise RuntimeError("a context was not made")
        self._num_logits = library.llama_vocab_n_tokens(library.llama_model_get_vocab(model))
        self._batch = _Batch()

    def decode(self, chunks: Sequence[Chunk]) -> dict[int, int]:
        found: dict[int, int] = {}
        for number, context in enumerate(self._contexts):
            if own := [chunk for chunk in chunks if chunk.sequence // MAX_SHARING == number]:
                found |= self._decoded(context, own)
        return found

    def forget(self, sequence: int, position: int) -> None:
        number, own_sequence = divmod(sequence, MAX_SHARING)
        _remove(self._contexts[number], own_sequence, position, -1)

    def _decoded(self, context: int, chunks: Sequence[Chunk]) -> dict[int, int]:
        first = self._batch.fill(chunks)
        if status := library.llama_decode(context, self._batch.struct):
            raise RuntimeError(f"llama_decode returned {status}")
        asking = [chunk.sequence for chunk in chunks if chunk.wants_next]
        if not asking:
            return {}
        row = library.llama_get_logits_ith(context, first)  # the others' rows follow it
        logits = np.ctypeslib.as_array(row, shape=(len(asking), self._num_logits))
        return dict(zip(asking, map(int, logits.argmax(axis=1)), strict=True))


class _Batch:
    """A llama_batch, which every step fills again."""

    def __init__(self) -> None:
        self._tokens = np.zeros(MAX_BATCH_TOKENS, np.int32)
        self._positions = np.zeros(MAX_BATCH_TOKENS, np.int32)
        self._sequences = np.zeros(MAX_BATCH_TOKENS, np.int32)
        self._wants_logits = np.zeros(MAX_BATCH_TOKENS, np.int8)
        self._ones = np.ones(MAX_BATCH_TOKENS, np.int32)
        # The library wants a pointer to the list of sequences of each token: here, to the token's only one.
        places = np.arange(MAX_BATCH_TOKENS, dtype=np.uintp) * self._sequences.itemsize
        self._pointers = places + self._sequences.ctypes.data
        kinds: dict[str, Any] = dict(library.llama_batch._fields_)
        addresses = {
            "token": self._tokens.ctypes.data,
            "pos": self._positions.ctypes.data,
            "n_seq_id": self._ones.ctypes.data,
            "seq_id": self._pointers.ctypes.data,
            "logits": self._wants_logits.ctypes.data,
        }
        pointers = {name: ctypes.cast(address, kinds[name]) for name, address in addresses.items()}
        self.struct = library.llama_batch(**pointers)

    def fill(self, chunks: Sequence[Chunk]) -> int:
        """Put the chunks in; return the place of the first token whose logits are wanted, -1 if none are."""
        end, first = 0, -1
        for chunk in chunks:
            begin, end = end, end + len(chunk.tokens)
            self._tokens[begin:end] = chunk.tokens
            self._positions[begin:end] = np.arange(chunk.position, chunk.position + len(chunk.tokens))
            self._sequences[begin:end] = chunk.sequence % MAX_SHARING
            self._wants_logits[begin:end] = 0
            if chunk.wants_next:
                self._wants_logits[end - 1] = 1
                first = end - 1 if first < 0 else first
        self.struct.n_tokens = end
        return first


def _model_params() -> Any:
    params = library.llama_model_default_params()
    params.repack_tensors = True  # -rtr: a step of a lone text in Q4_0 takes three quarters of the time
    params.use_mmap = False  # what is mapped is not repacked
    return params


def _context_params(num_sequences: int, num_sequence_tokens: int) -> Any:
    params = library.llama_context_default_params()
    params.n_ctx = num_sequences * num_sequence_tokens
    params.n_batch = MAX_BATCH_TOKENS
    params.n_seq_max = num_sequences
    params.n_threads = params.n_threads_batch = os.cpu_count() or 1
    # Of several sequences, the flash attention in this package skips some that count, or ends the process.
    params.flash_attn = num_sequences == 1
    return params


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--slots", type=int, required=True, help="sequences at a time")
    parser.add_argument("--slot-tokens", type=int, required=True, help="prompt and output of one sequence")
    parser.add_argument("--prefix-cache", action="store_true", help="a slot keeps its tokens for the next request")
    options = parser.parse_args()
    context = Context(options.weights, options.slots, options.slot_tokens)
    slots = Slots(context, options.slots, MAX_BATCH_TOKENS, options.prefix_cache)
    serve(options.port, lambda loop: BatchingThread(loop, slots))


if __name__ == "__main__":
    main()
