"""Writes a checkpoint as a GGUF file, as llama.cpp's converter does."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType

from services.ar.model.checkpoint import Checkpoint
from services.ar.model.config import FactorRopeScaling, Llama3RopeScaling, ModelConfig
from services.ar.model.quantised import as_array
from services.ar.model.rotary import rotary_frequencies

_GEMMA3_NORMS = {
    "post_attention_layernorm": "pre_feedforward_layernorm",
    "attention_output_norm": "post_attention_layernorm",
    "mlp_output_norm": "post_feedforward_layernorm",
}
Named = Iterator[tuple[str, np.ndarray]]


def write_gguf(
    checkpoint: Checkpoint,
    path: Path,
    type_: GGMLQuantizationType | Mapping[str, GGMLQuantizationType] = GGMLQuantizationType.F32,
    more: Mapping[str, int | str] | None = None,
    architecture: str = "llama",
    long_rope: bool = False,
) -> Path:
    """Write a checkpoint as llama.cpp would: its names, a llama's query and key rows interleaved, a phi3's fused.

    Matrices are stored as `type_`, or as it says for the first part of a name that it has; vectors as float32. `more`
    are further values, each an integer or a text. `long_rope`: as of a Phi-3 with long contexts.
    """
    config, writer = checkpoint.config, gguf.GGUFWriter(path, architecture)
    writer.add_block_count(config.num_layers)
    writer.add_context_length(config.max_context_tokens)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_heads)
    writer.add_head_count_kv(config.num_kv_heads)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    if config.head_dim * config.num_heads != config.hidden_size:
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if config.sliding_window is not None:
        writer.add_sliding_window(config.sliding_window)
    if any(config.local_layers):
        writer.add_uint32(f"{architecture}.attention.sliding_window_pattern", config.local_layers.index(False) + 1)
    _add_rope(writer, config)
    if long_rope:
        for name in ("rope_factors_long.weight", "rope_factors_short.weight"):
            writer.add_tensor(name, np.ones(config.head_dim // 2, np.float32))
    _add_tokenizer(writer, checkpoint)
    for key, value in (more or {}).items():
        writer.add_key_value(key, value, GGUFValueType.STRING if isinstance(value, str) else GGUFValueType.UINT32)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[architecture.upper()], config.num_layers)
    for name, values in _stored(checkpoint, architecture):
        kind = _type_of(name, type_) if values.ndim == 2 else GGMLQuantizationType.F32
        theirs = names.get_name(name, try_suffixes=(".weight", ".bias"))
        writer.add_tensor(theirs, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _type_of(name: str, type_: GGMLQuantizationType | Mapping[str, GGMLQuantizationType]) -> GGMLQuantizationType:
    if isinstance(type_, Mapping):
        return next((kind for part, kind in type_.items() if part in name), GGMLQuantizationType.F32)
    return type_


def _add_rope(writer: gguf.GGUFWriter, config: ModelConfig) -> None:
    scaling, half = config.rope_scaling, config.head_dim // 2
    if isinstance(scaling, Llama3RopeScaling):
        plain = config.rope_theta ** -(np.arange(half) / half)
        writer.add_tensor("rope_freqs.weight", (plain / rotary_frequencies(config)).astype(np.float32))
    elif isinstance(scaling, FactorRopeScaling):
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(scaling.factors[0])


def _add_tokenizer(writer: gguf.GGUFWriter, checkpoint: Checkpoint) -> None:
    assert checkpoint.tokenizer is not None
    vocabulary = checkpoint.tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token.startswith("<") and len(token) > 1 else 1 for token in tokens])
    merges = json.loads(checkpoint.tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_eos_token_id(1)


def _stored(checkpoint: Checkpoint, architecture: str) -> Named:
    """Yield the tensors by the names that the architecture has in Hugging Face's files, laid out as GGUF's."""
    tensors = {name: as_array(tensor).astype(np.float32) for name, tensor in checkpoint.read_tensors()}
    if architecture == "phi3":
        tensors = dict(_fused(tensors))
    for name, values in tensors.items():
        if "q_norm" in name:  # a file does not say it
            values = values * checkpoint.config.query_scale
        if architecture == "llama":
            values = _interleaved(name, values, checkpoint.config)
        if architecture == "gemma3":
            name = ".".join(_GEMMA3_NORMS.get(part, part) for part in name.split("."))
        yield name, np.ascontiguousarray(values)


def _fused(tensors: dict[str, np.ndarray]) -> Named:
    for name, values in tensors.items():
        if ".q_proj." in name:
            parts = [tensors[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            yield name.replace("q_proj", "qkv_proj"), np.concatenate(parts)
        elif ".gate_proj." in name:
            yield (
                name.replace("gate_proj", "gate_up_proj"),
                np.concatenate([values, tensors[name.replace("gate", "up")]]),
            )
        elif not any(part in name for part in (".k_proj.", ".v_proj.", ".up_proj.")):
            yield name, values


def _interleaved(name: str, values: np.ndarray, config: ModelConfig) -> np.ndarray:
    for part, num_heads in (("q_proj", config.num_heads), ("k_proj", config.num_kv_heads)):
        if part in name:
            halves = values.reshape(num_heads, 2, -1, *values.shape[1:])
            values = halves.swapaxes(1, 2).reshape(values.shape)
    return values
