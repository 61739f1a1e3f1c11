"""The compiled kernel as Python sees it: structs of its headers, and the functions of step.cpp."""

import ctypes
from ctypes import POINTER, c_char_p, c_float, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path

from services.ar.compute.native.sampling.structs import Samples
from tandem.shared.compiled.library_file import BadLibrary, open_library

_FUNCTIONS = ("tandem_instruction_set", "tandem_pack", "tandem_open", "tandem_run", "tandem_sample", "tandem_close")
LANES = 16  # of a vector: outputs of a panel of weights, positions of a block's keys


MAX_PARTS = 3


class Part(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("scales", c_void_p),
        ("format", c_int32),
        ("num_pairs", c_int32),
    ]


class Matrix(ctypes.Structure):
    _fields_ = [
        ("parts", Part * MAX_PARTS),
        ("bias", c_void_p),
        ("num_inputs", c_int32),
        ("num_outputs", c_int32),
    ]


class Rows(ctypes.Structure):
    _fields_ = [
        ("steps", c_void_p),
        ("scales", c_void_p),
        ("minima", c_void_p),
        ("num_rows", c_int32),
        ("num_values", c_int32),
        ("first", c_int32),
        ("turn", c_int32),
        ("num_turns", c_int32),
        ("num_inputs", c_int32),
        ("format", c_int32),
        ("data", c_void_p),
        ("to_scales", c_void_p),
    ]


class Layer(ctypes.Structure):
    _fields_ = [
        ("attention_norm", c_void_p),
        ("mlp_norm", c_void_p),
        ("query_norm", c_void_p),
        ("key_norm", c_void_p),
        ("attention_output_norm", c_void_p),
        ("mlp_output_norm", c_void_p),
        ("cos", c_void_p),
        ("sin", c_void_p),
        ("sliding_window", c_int32),
        ("qkv", Matrix),
        ("out", Matrix),
        ("gate_up", Matrix),
        ("down", Matrix),
        ("keys", c_void_p),
        ("values", c_void_p),
        ("key_scales", c_void_p),
        ("value_scales", c_void_p),
    ]


class Model(ctypes.Structure):
    _fields_ = [
        ("num_layers", c_int32),
        ("num_heads", c_int32),
        ("num_kv_heads", c_int32),
        ("head_dim", c_int32),
        ("hidden_size", c_int32),
        ("num_blocks", c_int32),
        ("block_size", c_int32),
        ("cache_format", c_int32),
        ("max_rows", c_int32),
        ("max_context_tokens", c_int32),
        ("fine_positions", c_int32),
        ("norm_eps", c_float),
        ("embedding_scale", c_float),
        ("has_gelu", c_int32),
        ("norm", c_void_p),
        ("layers", POINTER(Layer)),
        ("embedding", Matrix),
        ("head", Matrix),
    ]


class Step(ctypes.Structure):
    _fields_ = [
        ("num_rows", c_int32),
        ("num_logits", c_int32),
        ("token_ids", c_void_p),
        ("positions", c_void_p),
        ("tables", c_void_p),
        ("block_tables", c_void_p),
        ("logits_rows", c_void_p),
        ("logits", c_void_p),
        ("is_finite", c_void_p),
    ]


@cache
def load(path: Path) -> ctypes.CDLL:
    """Return the kernel with its functions' types set. A call lets go of Python's lock.

    Raises BadLibrary if the file is damaged, lacks a function, or others can have changed it.
    """
    library = open_library(path)
    if missing := [name for name in _FUNCTIONS if not hasattr(library, name)]:
        raise BadLibrary(f"{path}: has no function {', '.join(missing)}")
    library.tandem_instruction_set.restype = c_char_p
    library.tandem_pack.restype = None
    library.tandem_pack.argtypes = [POINTER(Rows)]
    library.tandem_open.restype = c_void_p
    library.tandem_open.argtypes = [POINTER(Model), c_int32]
    library.tandem_run.restype = None
    library.tandem_run.argtypes = [c_void_p, POINTER(Step), POINTER(Samples)]
    library.tandem_sample.restype = None
    library.tandem_sample.argtypes = [c_void_p, c_int64, POINTER(Samples), c_int32]
    library.tandem_close.restype = None
    library.tandem_close.argtypes = [c_void_p]
    return library
