"""Reads a GGUF file of the `llama` architecture: metadata, tokenizer, and weights, those of a few bits as they are.

llama.cpp stores the query and key projections with interleaved rotary pairs; here they get their half-split order back.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from runtime.models import ModelError
from services.ar.checkpoint import Checkpoint
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
_CONTROL_TOKEN = 3
# The half-precision numbers at the head of each block of 32: scale, or scale and minimum.
_BLOCK_HALVES = {
    gguf.GGMLQuantizationType.Q4_0: 1,
    gguf.GGMLQuantizationType.Q4_1: 2,
    gguf.GGMLQuantizationType.Q8_0: 1,
}


def open_gguf(path: Path) -> Checkpoint:
    """Open a GGUF file. Raises ModelError if it is corrupt or of another architecture or tokenizer."""
    try:
        reader = gguf.GGUFReader(path)
    except (ValueError, IndexError, OSError) as error:
        raise ModelError(f"{path}: not a GGUF file, or a damaged one ({error})") from None
    try:
        return _checkpoint(reader)
    except KeyError as error:
        raise ModelError(f"{path}: {error.args[0]} is missing") from None


def _checkpoint(reader: gguf.GGUFReader) -> Checkpoint:
    config = _config(reader)
    tokens: list[str] = _value(reader, "tokenizer.ggml.tokens")
    adds_bos = _value(reader, "tokenizer.ggml.add_bos_token", False)
    special = {name: _value(reader, f"tokenizer.ggml.{name}_token_id", None) for name in ("bos", "eos")}
    return Checkpoint(
        config=config,
        tokenizer=_tokenizer(reader, tokens),
        read_tensors=lambda: _tensors(reader, config),
        dtype=_dtype(reader),
        eos_token_ids=frozenset({special["eos"]} - {None}),
        bos_token_id=special["bos"] if adds_bos else None,
        chat_template=_value(reader, "tokenizer.chat_template", None),
        special_tokens={f"{name}_token": tokens[index] for name, index in special.items() if index is not None},
    )


def _dtype(reader: gguf.GGUFReader) -> str:
    """Return the smallest type that the matrices are stored in."""
    kinds = {tensor.tensor_type.name for tensor in reader.tensors if len(tensor.shape) > 1}
    if kinds & {"Q4_0", "Q4_1"}:
        return "int4"
    if kinds <= {"F32", "F16"}:
        return "float32"
    return "bfloat16" if kinds <= {"F32", "F16", "BF16"} else "int8"


def _value(reader: gguf.GGUFReader, key: str, *default: Any) -> Any:
    field = reader.get_field(key)
    if field is None:
        if not default:
            raise KeyError(key)
        return default[0]
    return field.contents()


def _config(reader: gguf.GGUFReader) -> ModelConfig:
    architecture = _value(reader, "general.architecture")
    if architecture != "llama":
        raise ModelError(f"GGUF architecture {architecture!r} is not supported; 'llama' is")
    num_heads = _value(reader, "llama.attention.head_count")
    hidden_size = _value(reader, "llama.embedding_length")
    names = {tensor.name for tensor in reader.tensors}
    return ModelConfig(
        vocab_size=len(_value(reader, "tokenizer.ggml.tokens")),
        hidden_size=hidden_size,
        intermediate_size=_value(reader, "llama.feed_forward_length"),
        num_layers=_value(reader, "llama.block_count"),
        num_heads=num_heads,
        num_kv_heads=_value(reader, "llama.attention.head_count_kv", num_heads),
        head_dim=_value(reader, "llama.attention.key_length", hidden_size // num_heads),
        max_context_tokens=_value(reader, "llama.context_length"),
        norm_eps=_value(reader, "llama.attention.layer_norm_rms_epsilon"),
        rope_theta=_value(reader, "llama.rope.freq_base", 10_000.0),
        ties_embeddings="output.weight" not in names,
    )


def _tokenizer(reader: gguf.GGUFReader, tokens: list[str]) -> Tokenizer:
    kind = _value(reader, "tokenizer.ggml.model"), _value(reader, "tokenizer.ggml.pre", "default")
    if kind != ("gpt2", "smollm"):
        raise ModelError(f"GGUF tokenizer {kind} is not supported; ('gpt2', 'smollm') is")
    merges = [tuple(merge.split(" ")) for merge in _value(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    types = _value(reader, "tokenizer.ggml.token_type")
    control = [token for token, kind_ in zip(tokens, types, strict=True) if kind_ == _CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer


def _tensors(reader: gguf.GGUFReader, config: ModelConfig) -> Iterator[tuple[str, Weights]]:
    num_heads = {"attn_q": config.num_heads, "attn_k": config.num_kv_heads}
    for tensor in reader.tensors:
        name, kind = _huggingface_name(tensor.name)
        weights = _weights(tensor)
        yield name, _unpermuted(weights, num_heads[kind]) if kind in num_heads else weights


def _weights(tensor: gguf.ReaderTensor) -> Weights:
    """Return a tensor in the type that it is stored in, where there is a use for that; else float32."""
    if tensor.tensor_type not in _BLOCK_HALVES:
        return torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy())
    num_halves = _BLOCK_HALVES[tensor.tensor_type]
    num_outputs, num_bytes = tensor.data.shape
    num_inputs = int(tensor.shape[0])
    blocks = tensor.data.reshape(num_outputs, -1, num_bytes * GROUP // num_inputs)  # [outputs, groups, bytes of one]
    halves = torch.from_numpy(blocks[..., : 2 * num_halves].copy()).view(torch.float16)
    steps = blocks[..., 2 * num_halves :]
    if tensor.tensor_type == gguf.GGMLQuantizationType.Q8_0:
        return QuantisedTensor(torch.from_numpy(steps.copy()).view(torch.int8).flatten(-2), halves[..., 0])
    nibbles = torch.from_numpy(np.concatenate([steps & 15, steps >> 4], axis=-1)).flatten(-2)
    minima = halves[..., 1] if num_halves == 2 else halves[..., 0] * -8
    return QuantisedTensor(nibbles, halves[..., 0], minima)


def _huggingface_name(name: str) -> tuple[str, str]:
    """Return Hugging Face's name of a tensor, and the kind that llama.cpp calls it."""
    parts = name.split(".")  # "blk", "7", "attn_q", "weight" or "output_norm", "weight"
    if parts[0] == "blk":
        return f"model.layers.{parts[1]}.{_LAYER_NAMES[parts[2]]}.{parts[3]}", parts[2]
    return f"{_TOP_NAMES[parts[0]]}.{parts[1]}", parts[0]


def _unpermuted(weights: Weights, num_heads: int) -> Weights:
    if isinstance(weights, Tensor):
        return _unpermute(weights, num_heads)
    minima = None if weights.minima is None else _unpermute(weights.minima, num_heads)
    return QuantisedTensor(_unpermute(weights.steps, num_heads), _unpermute(weights.scales, num_heads), minima)


def _unpermute(rows: Tensor, num_heads: int) -> Tensor:
    pairs = rows.reshape(num_heads, -1, 2, rows.shape[-1])  # [H, D / 2, 2, in]
    return pairs.transpose(1, 2).reshape(rows.shape)
