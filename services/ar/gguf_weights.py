"""Weights of a GGUF file: its tensors under Hugging Face's names, those of a few bits as they are stored.

llama.cpp stores the query and key projections with interleaved rotary pairs; here they get their half-split order back.
"""

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import torch
from torch import Tensor

from runtime.models import ModelError
from services.ar.fields import shortened
from services.ar.gguf_tensor import GgufTensor
from services.ar.model_config import ModelConfig
from services.ar.quantised import GROUP, QuantisedTensor, Weights

_LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
# The half-precision numbers at the head of each block of 32: scale, or scale and minimum.
_BLOCK_HALVES = {
    gguf.GGMLQuantizationType.Q4_0: 1,
    gguf.GGMLQuantizationType.Q4_1: 2,
    gguf.GGMLQuantizationType.Q8_0: 1,
}


def huggingface_name(file: Path, name: str) -> str:
    """Return Hugging Face's name of a tensor. Raises ModelError if a llama model has none of that name."""
    match name.split("."):  # "blk", "7", "attn_q", "weight" or "output_norm", "weight"
        case "blk", layer, kind, what if kind in _LAYER_NAMES and layer.isdecimal():
            return f"model.layers.{layer}.{_LAYER_NAMES[kind]}.{what}"
        case kind, what if kind in _TOP_NAMES:
            return f"{_TOP_NAMES[kind]}.{what}"
    raise ModelError(f"{file}: unexpected tensor {shortened(name)}; a llama model has none of that name")


def read_weights(file: Path, tensors: list[GgufTensor], config: ModelConfig) -> Iterator[tuple[str, Weights]]:
    """Yield each tensor under Hugging Face's name, whose shapes fit `config`. Raises ModelError."""
    num_heads = {"attn_q": config.num_heads, "attn_k": config.num_kv_heads}
    for tensor in tensors:
        name, kind, weights = huggingface_name(file, tensor.name), tensor.name.split(".")[-2], _weights(file, tensor)
        yield name, _unpermuted(weights, num_heads[kind]) if kind in num_heads else weights


def _weights(file: Path, tensor: GgufTensor) -> Weights:
    """Return a tensor in the type that it is stored in, where there is a use for that; else float32."""
    if tensor.type not in _BLOCK_HALVES or len(tensor.shape) == 1:
        return _floats(file, tensor)
    num_halves = _BLOCK_HALVES[tensor.type]
    num_outputs, num_inputs = tensor.shape
    blocks = tensor.data.reshape(num_outputs, num_inputs // GROUP, -1)  # [outputs, groups, bytes of one]
    halves = torch.from_numpy(blocks[..., : 2 * num_halves].copy()).view(torch.float16)
    steps = blocks[..., 2 * num_halves :]
    if tensor.type == gguf.GGMLQuantizationType.Q8_0:
        return QuantisedTensor(torch.from_numpy(steps.copy()).view(torch.int8).flatten(-2), halves[..., 0])
    nibbles = torch.from_numpy(np.concatenate([steps & 15, steps >> 4], axis=-1)).flatten(-2)
    minima = halves[..., 1] if num_halves == 2 else halves[..., 0] * -8
    return QuantisedTensor(nibbles, halves[..., 0], minima)


def _floats(file: Path, tensor: GgufTensor) -> Tensor:
    try:
        with np.errstate(all="ignore"):  # a damaged scale is inf or NaN; the steps tell which rows are finite
            values = gguf.dequantize(tensor.data, tensor.type)
    except NotImplementedError:
        raise ModelError(f"{file}: {tensor.name} is of type {tensor.type.name}, which is not supported") from None
    return torch.from_numpy(np.array(values, np.float32).reshape(tensor.shape))  # a copy: the file is mapped


def _unpermuted(weights: Weights, num_heads: int) -> Weights:
    if isinstance(weights, Tensor):
        return _unpermute(weights, num_heads)
    minima = None if weights.minima is None else _unpermute(weights.minima, num_heads)
    return QuantisedTensor(_unpermute(weights.steps, num_heads), _unpermute(weights.scales, num_heads), minima)


def _unpermute(rows: Tensor, num_heads: int) -> Tensor:
    pairs = rows.reshape(num_heads, -1, 2, rows.shape[-1])  # [H, D / 2, 2, in]
    return pairs.transpose(1, 2).reshape(rows.shape)
