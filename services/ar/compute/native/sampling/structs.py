"""The structs of row.h and sampler.h."""

import ctypes
from ctypes import POINTER, c_double, c_float, c_int32, c_uint64, c_void_p


class Sampling(ctypes.Structure):
    _fields_ = [
        ("temperature", c_double),
        ("top_p", c_double),
        ("min_p", c_double),
        ("seed", c_uint64),
        ("choice", c_uint64),
        ("top_k", c_int32),
        ("top_logprobs", c_int32),
        ("has_penalties", c_int32),
        ("repetition_penalty", c_float),
        ("presence_penalty", c_float),
        ("frequency_penalty", c_float),
        ("num_biases", c_int32),
        ("bias_ids", c_void_p),
        ("biases", c_void_p),
    ]


class Row(ctypes.Structure):
    _fields_ = [
        ("sampling", c_void_p),
        ("logits_row", c_int32),
        ("position", c_int32),
        ("forced", c_int32),
        ("num_history", c_int32),
        ("num_prompt", c_int32),
        ("num_drafted", c_int32),
        ("num_ruled_out", c_int32),
        ("history", c_void_p),
        ("drafted", c_void_p),
        ("ruled_out", c_void_p),
        ("allowed", c_void_p),
    ]


class Samples(ctypes.Structure):
    _fields_ = [
        ("num_rows", c_int32),
        ("num_tokens", c_int32),
        ("max_alternatives", c_int32),
        ("rows", POINTER(Row)),
        ("token_ids", c_void_p),
        ("logprobs", c_void_p),
        ("alternative_ids", c_void_p),
        ("alternative_logprobs", c_void_p),
    ]
