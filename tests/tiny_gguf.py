"""Writes a checkpoint as a GGUF file, as llama.cpp's converter does."""

import json
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType

from services.ar.checkpoint import Checkpoint
from services.ar.model_config import ModelConfig
from services.ar.quantised import as_tensor


def write_gguf(
    checkpoint: Checkpoint,
    path: Path,
    type_: GGMLQuantizationType = GGMLQuantizationType.F32,
    more: Mapping[str, int | str] | None = None,
) -> Path:
    """Write a checkpoint as llama.cpp would: its names, and query and key rows interleaved for its rotary layout.

    Matrices are stored as `type_`, vectors as float32. `more` are further values, each an integer or a text.
    """
    assert checkpoint.tokenizer is not None
    config, writer = checkpoint.config, gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_layers)
    writer.add_context_length(config.max_context_tokens)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_heads)
    writer.add_head_count_kv(config.num_kv_heads)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    vocabulary = checkpoint.tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token.startswith("<") and len(token) > 1 else 1 for token in tokens])
    merges = json.loads(checkpoint.tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_eos_token_id(1)
    for key, value in (more or {}).items():
        writer.add_key_value(key, value, GGUFValueType.STRING if isinstance(value, str) else GGUFValueType.UINT32)
    for name, tensor in checkpoint.read_tensors():
        theirs, values = _as_llama_cpp(name, as_tensor(tensor).float().numpy(), config)
        kind = type_ if values.ndim == 2 else GGMLQuantizationType.F32
        writer.add_tensor(theirs, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _as_llama_cpp(name: str, values: np.ndarray, config: ModelConfig) -> tuple[str, np.ndarray]:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_layers)
    for part, num_heads in (("q_proj", config.num_heads), ("k_proj", config.num_kv_heads)):
        if part in name:
            halves = values.reshape(num_heads, 2, -1, values.shape[-1])
            values = halves.swapaxes(1, 2).reshape(values.shape)
    return names.get_name(name, try_suffixes=(".weight",)), np.ascontiguousarray(values)
