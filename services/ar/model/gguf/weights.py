"""Weights of a GGUF file: its tensors under Hugging Face's names, those of a few bits as they are stored.

llama.cpp stores a llama's query and key projections with interleaved rotary pairs; here they get their half-split order
back. Other architectures are stored half-split.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from torch import Tensor

from runtime.models import ModelError
from services.ar.model.config import ModelConfig
from services.ar.model.fused_rows import split
from services.ar.model.gguf.blocks import quantised
from services.ar.model.gguf.names import llama_name
from services.ar.model.gguf.tensor import GgufTensor
from services.ar.model.quantised import Weights, quantise, rearranged

_FLOATS = {Type.F32: torch.float32, Type.F16: torch.float16, Type.BF16: torch.bfloat16}


def read_weights(
    file: Path, architecture: str, tensors: list[GgufTensor], config: ModelConfig
) -> Iterator[tuple[str, Weights]]:
    """Yield each tensor under Hugging Face's name, whose shapes fit `config`. Raises ModelError."""
    num_heads = {"attn_q": config.num_heads, "attn_k": config.num_kv_heads} if architecture == "llama" else {}
    for tensor in tensors:
        kind, weights = tensor.name.split(".")[-2], _weights(file, tensor)
        if kind in num_heads:
            weights = rearranged(weights, partial(_unpermute, num_heads=num_heads[kind]))
        yield from split(config, llama_name(file, architecture, tensor.name), weights)


def _weights(file: Path, tensor: GgufTensor) -> Weights:
    """Return a tensor in the type that it is stored in; matrices of types that the kernel has not get 8 bits."""
    if tensor.type in _FLOATS:
        stored = torch.from_numpy(np.array(tensor.data))  # a copy: the file is mapped
        floats = stored.view(_FLOATS[tensor.type]).reshape(tensor.shape)
        return floats if len(tensor.shape) > 1 else floats.float()
    if len(tensor.shape) > 1:
        block_bytes = gguf.GGML_QUANT_SIZES[tensor.type][1]
        found = quantised(tensor.data.reshape(tensor.shape[0], -1, block_bytes), tensor.type)
        return quantise(_floats(file, tensor)) if found is None else found
    return _floats(file, tensor)


def _floats(file: Path, tensor: GgufTensor) -> Tensor:
    try:
        with np.errstate(all="ignore"):  # a damaged scale is inf or NaN; the steps tell which rows are finite
            values = gguf.dequantize(tensor.data, tensor.type)
    except NotImplementedError:
        raise ModelError(
            f"{file}: {tensor.name} is of type {tensor.type.name}, which is not supported; a file of Q4_K_M, Q8_0 or "
            "F16 would fit"
        ) from None
    return torch.from_numpy(np.array(values, np.float32).reshape(tensor.shape))


def _unpermute(rows: Tensor, num_heads: int) -> Tensor:
    pairs = rows.reshape(num_heads, -1, 2, *rows.shape[1:])  # [H, D / 2, 2, in]
    return pairs.transpose(1, 2).reshape(rows.shape)
