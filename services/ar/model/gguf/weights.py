"""Weights of a GGUF file: its tensors under Hugging Face's names, those of a few bits as they are stored.

llama.cpp stores a llama's query and key projections with interleaved rotary pairs; here they get their half-split order
back. Other architectures are stored half-split.
"""

from collections.abc import Iterator
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from services.ar.model.arrays import FLOATS, Array
from services.ar.model.config import ModelConfig
from services.ar.model.file_rows import read_rows
from services.ar.model.fused_rows import split
from services.ar.model.gguf.blocks import KINDS, quantised
from services.ar.model.gguf.names import llama_name
from services.ar.model.gguf.tensor import GgufTensor
from services.ar.model.gguf.types import BLOCKS
from services.ar.model.gguf.types import TensorType as Type
from services.ar.model.quantised import Held, StoredMatrix, Weights, quantise, rearranged
from services.ar.model.tensor_check import check_finite
from tandem.shared.models import ModelError

_FLOATS = {Type.F32: "float32", Type.F16: "float16", Type.BF16: "bfloat16"}


def read_weights(
    file: Path, architecture: str, tensors: list[GgufTensor], config: ModelConfig
) -> Iterator[tuple[str, Weights]]:
    """Yield each tensor under Hugging Face's name, whose shapes fit `config`.

    Raises ModelError, also when rows are read.
    """
    num_heads = {"attn_q": config.num_heads, "attn_k": config.num_kv_heads} if architecture == "llama" else {}
    for tensor in tensors:
        kind, weights = tensor.name.split(".")[-2], _weights(file, tensor)
        if kind in num_heads:
            weights = rearranged(weights, partial(_unpermute, num_heads=num_heads[kind]))
        yield from split(config, llama_name(file, architecture, tensor.name), weights)


def _weights(file: Path, tensor: GgufTensor) -> Weights:
    """Return a tensor in the type that it is stored in; matrices of types that the kernel has not get 8 bits."""
    if len(tensor.shape) == 1:
        floats = _floats(file, tensor, np.array(tensor.data)).astype(np.float32)
        return check_finite(file, tensor.name, floats)
    format_ = _FLOATS.get(tensor.type) or KINDS.get(tensor.type, "int8")
    num_rows, num_inputs = tensor.shape[0], prod(tensor.shape[1:])
    return StoredMatrix(np.arange(num_rows), num_inputs, format_, partial(_rows, file, tensor))


def _rows(file: Path, tensor: GgufTensor, rows: Array) -> Held:
    data = read_rows(file, tensor.start, tensor.data.shape[-1], rows)
    if tensor.type in KINDS:
        found: Held = quantised(data.reshape(len(data), -1, BLOCKS[tensor.type][1]), tensor.type)
    else:
        floats = _floats(file, tensor, data).reshape(len(data), -1)
        found = floats if tensor.type in _FLOATS else quantise(floats)
    return check_finite(file, tensor.name, found)


def _floats(file: Path, tensor: GgufTensor, data: Array) -> Array:
    if tensor.type in _FLOATS:
        return data.view(FLOATS[_FLOATS[tensor.type]])
    import gguf  # takes as long as numpy, and is needed for types that the kernel has not

    try:
        with np.errstate(all="ignore"):  # a damaged scale is inf or NaN
            values = gguf.dequantize(data, gguf.GGMLQuantizationType(tensor.type))
    except NotImplementedError:
        raise ModelError(
            f"{file}: {tensor.name} is of type {tensor.type.name}, which is not supported; a file of Q4_K_M, Q8_0 or "
            "F16 would fit"
        ) from None
    return np.array(values, np.float32)


def _unpermute(rows: Array, num_heads: int) -> Array:
    pairs = rows.reshape(num_heads, -1, 2, *rows.shape[1:])  # [H, D / 2, 2, in]
    return pairs.swapaxes(1, 2).reshape(rows.shape)
