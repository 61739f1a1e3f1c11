"""ik_llama.cpp's library behind HTTP, batched as its own server does it; runs in the package's own environment.

    python -m benchmarks.peers.ik_llama_server --port 8000 --weights q4_0.gguf --slots 8 --slot-tokens 2048

The weights are in memory once, the keys and values in several of the library's contexts.
"""

import ctypes
from pathlib import Path
from typing import Any

from ik_llama_cpp import _ctypes_api as library

from benchmarks.peers.llama_batches import Context, open_contexts, serve_context, set_sizes

MAX_SHARING = 4
"""Sequences of one context. Each attends to the cells of all of them, most of which are masked: with 32 that takes most
of a step. On AVX2 a token takes 7.8 ms of a core if a context has one sequence, 5.2 of four, 5.8 of eight."""

# The package has no binding of this one.
_remove = library._lib.llama_kv_cache_seq_rm
_remove.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32, ctypes.c_int32]
_remove.restype = ctypes.c_bool


def load(weights: Path, num_sequences: int, num_sequence_tokens: int) -> Context:
    sizes = [min(MAX_SHARING, num_sequences - first) for first in range(0, num_sequences, MAX_SHARING)]
    params = [_context_params(size, num_sequence_tokens) for size in sizes]
    return Context(library, _remove, MAX_SHARING, *open_contexts(library, weights, _model_params(), params))


def _model_params() -> Any:
    params = library.llama_model_default_params()
    params.repack_tensors = True  # -rtr: a step of a lone text in Q4_0 takes three quarters of the time
    params.use_mmap = False  # what is mapped is not repacked
    return params


def _context_params(num_sequences: int, num_sequence_tokens: int) -> Any:
    params = set_sizes(library.llama_context_default_params(), num_sequences, num_sequence_tokens)
    # Of several sequences, the flash attention in this package skips some that count, or ends the process.
    params.flash_attn = num_sequences == 1
    return params


if __name__ == "__main__":
    serve_context(__doc__, lambda given: load(given.weights, given.slots, given.slot_tokens))
