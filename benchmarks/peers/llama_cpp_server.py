"""llama.cpp's release library behind HTTP, batched as its own server does it.

    python -m benchmarks.peers.llama_cpp_server --library FOLDER --port 8000 --weights q4_0.gguf --slots 8 \\
        --slot-tokens 2048

FOLDER has the release's shared libraries, of which llama.cpp takes the variant for this processor. Settings and the
pool of threads are those of its own server.
"""

import ctypes
import os
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int8, c_int32, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any

from benchmarks.peers.installing import npm_package
from benchmarks.peers.llama_batches import Context, open_contexts, serve_context, set_sizes

PACKAGE = "@node-llama-cpp/linux-x64@3.22.1"  # a build of the release, with a variant for each kind of processor
RELEASE = "v0.5.0"  # whose headers say what is declared below
_CPU_DEVICE = 0
_THREADPOOL_PARAMS_BYTES = 1024  # more than they have


class _ModelParams(ctypes.Structure):
    _fields_ = [("defaults", c_uint64 * 10)]


class _ContextParams(ctypes.Structure):
    _sizes = [(name, c_uint32) for name in ("n_ctx", "n_batch", "n_ubatch", "n_seq_max")]
    _threads = [(name, c_int32) for name in ("n_threads", "n_threads_batch")]
    _fields_ = [*_sizes, ("outputs", c_uint32 * 3), *_threads, ("defaults", c_uint32 * 31)]


class _Batch(ctypes.Structure):
    _fields_ = [
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", c_void_p),
        ("pos", POINTER(c_int32)),
        ("n_seq_id", POINTER(c_int32)),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(c_int8)),
    ]


_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "ggml_backend_load_all_from_path": (None, [c_char_p]),
    "ggml_backend_dev_by_type": (c_void_p, [c_int32]),
    "ggml_backend_dev_backend_reg": (c_void_p, [c_void_p]),
    "ggml_backend_reg_get_proc_address": (c_void_p, [c_void_p, c_char_p]),
    "ggml_threadpool_params_init": (None, [c_void_p, c_int32]),
    "llama_backend_init": (None, []),
    "llama_model_default_params": (_ModelParams, []),
    "llama_context_default_params": (_ContextParams, []),
    "llama_model_load_from_file": (c_void_p, [c_char_p, _ModelParams]),
    "llama_model_get_vocab": (c_void_p, [c_void_p]),
    "llama_vocab_n_tokens": (c_int32, [c_void_p]),
    "llama_init_from_model": (c_void_p, [c_void_p, _ContextParams]),
    "llama_attach_threadpool": (None, [c_void_p, c_void_p, c_void_p]),
    "llama_get_memory": (c_void_p, [c_void_p]),
    "llama_memory_seq_rm": (c_bool, [c_void_p, c_int32, c_int32, c_int32]),
    "llama_batch_init": (_Batch, [c_int32, c_int32, c_int32]),
    "llama_decode": (c_int32, [c_void_p, _Batch]),
    "llama_get_logits_ith": (POINTER(c_float), [c_void_p, c_int32]),
}  # what each returns and takes


def libraries(folder: Path) -> Path:
    """Return where the release's libraries are once it is installed under `folder`."""
    return folder / "llama_cpp/package/bins/linux-x64"


def install(folder: Path) -> None:
    """Install the release under `folder`, once. Raises CannotSetUp."""
    npm_package(folder / "llama_cpp", PACKAGE)


def load(folder: Path, weights: Path, num_sequences: int, num_sequence_tokens: int) -> Context:
    """Return a context of the library in `folder`."""
    library: Any = ctypes.CDLL(str(folder / f"libllama.{RELEASE}.so"))
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.ggml_backend_load_all_from_path(os.fsencode(folder))
    params = set_sizes(library.llama_context_default_params(), num_sequences, num_sequence_tokens)
    contexts, num_logits = open_contexts(library, weights, library.llama_model_default_params(), [params])
    library.llama_attach_threadpool(contexts[0], _threadpool(library, params.n_threads), None)

    def remove(context: int, sequence: int, begin: int, end: int) -> None:
        library.llama_memory_seq_rm(library.llama_get_memory(context), sequence, begin, end)

    return Context(library, remove, num_sequences, contexts, num_logits)


def _threadpool(library: Any, num_threads: int) -> Any:
    """Make a pool as llama-server does; without one, each step would start threads of its own."""
    registry = library.ggml_backend_dev_backend_reg(library.ggml_backend_dev_by_type(_CPU_DEVICE))
    address = library.ggml_backend_reg_get_proc_address(registry, b"ggml_threadpool_new")
    new = ctypes.CFUNCTYPE(c_void_p, c_void_p)(address)
    params = ctypes.create_string_buffer(_THREADPOOL_PARAMS_BYTES)
    library.ggml_threadpool_params_init(params, num_threads)
    return new(ctypes.addressof(params))


if __name__ == "__main__":
    serve_context(
        __doc__, lambda given: load(given.library, given.weights, given.slots, given.slot_tokens), "--library"
    )
