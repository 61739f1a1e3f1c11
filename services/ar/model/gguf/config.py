"""Translates a GGUF file's metadata into the fields of a ModelConfig; knows names and features, no ranges."""

import math

import numpy as np

from services.ar.model.config import ModelConfig
from services.ar.model.config_check import MAX_HIDDEN_SIZE, MAX_LAYERS, checked_config
from services.ar.model.fields import Fields, shortened
from services.ar.model.gguf.file import GgufFile, Value
from services.ar.model.gguf.rope import rope_fields
from services.ar.model.gguf.tokenizer.vocabulary import read_tokens
from tandem.shared.models import ModelError

ARCHITECTURES = ("llama", "qwen2", "qwen3", "phi3", "gemma3")
_KEYS = {
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_layers": "block_count",
    "num_heads": "attention.head_count",
    "num_kv_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "max_context_tokens": "context_length",
    "norm_eps": "attention.layer_norm_rms_epsilon",
    "rope_theta": "rope.freq_base",
    "sliding_window": "attention.sliding_window",
}
_FEATURES = {"has_qkv_bias": "attn_q.bias", "has_attention_output_bias": "attn_output.bias"}
_WITH_WINDOW = ("llama", "phi3", "gemma3")
_GLOBAL_EVERY = 6  # layers of a Gemma 3 whose file does not say which are local
_LAYERS_OF_27B = 62  # of the one Gemma 3 whose queries are scaled by its width, which files do not say


def architecture_of(file: GgufFile) -> str:
    """Return one of ARCHITECTURES. Raises ModelError if it is another one."""
    name = Fields(file.path, file.values).text("general.architecture")
    if name not in ARCHITECTURES:
        fitting = ", ".join(ARCHITECTURES)
        raise ModelError(
            f"{file.path}: GGUF architecture {name!r} is not supported; a file of one of these would fit: {fitting} "
            "(Mistral's and SmolLM's are llama)"
        )
    return name


def config_from_gguf(file: GgufFile) -> ModelConfig:
    """Return the configuration of a file. Raises ModelError if it, or a feature of it, is not supported."""
    name = architecture_of(file)
    keys = {field: f"{name}.{key}" for field, key in _KEYS.items()} | {
        "vocab_size": "the number of tokenizer.ggml.tokens"
    }
    values: dict[str, object] = {field: file.values.get(key) for field, key in keys.items()}
    tensors = {tensor.name for tensor in file.tensors}
    values["vocab_size"] = len(read_tokens(file))
    values["ties_embeddings"] = "output.weight" not in tensors
    values |= {field: f"blk.0.{tensor}" in tensors for field, tensor in _FEATURES.items()}
    values["has_qk_norm"] = "blk.0.attn_q_norm.weight" in tensors
    if not values["sliding_window"]:
        values["sliding_window"] = None  # 0 says that there is none
    rope_values, rope_keys = rope_fields(file, name)
    gemma = _gemma3(file) if name == "gemma3" else {}
    config = checked_config(Fields(file.path, values | rope_values | gemma, keys | rope_keys))
    _refuse_unsupported(file, name, config)
    return config


def _gemma3(file: GgufFile) -> dict[str, object]:
    """Return the fields that a Gemma 3 has beyond a Llama's."""
    fields = Fields(file.path, file.values)
    num_layers = fields.integer("gemma3.block_count", 1, MAX_LAYERS)
    hidden_size = fields.integer("gemma3.embedding_length", 1, MAX_HIDDEN_SIZE)
    values: dict[str, object] = {
        "has_output_norms": True,
        "activation": "gelu_tanh",
        "embedding_scale": math.sqrt(hidden_size),
        "local_layers": _local_layers(fields, file.values.get("gemma3.attention.sliding_window_pattern"), num_layers),
        "local_rope_theta": file.values.get("gemma3.rope.freq_base_swa", 10_000.0),
    }
    if num_layers == _LAYERS_OF_27B:
        num_heads = fields.integer("gemma3.attention.head_count", 1, hidden_size)
        head_dim = fields.integer("gemma3.attention.key_length", 1, hidden_size, default=256)
        values["query_scale"] = math.sqrt(head_dim * num_heads / hidden_size)
    return values


def _local_layers(fields: Fields, pattern: Value | None, num_layers: int) -> list[bool]:
    """Return which layers are local: as a list of the file says, or all but each so-manieth."""
    if isinstance(pattern, np.ndarray):
        return [bool(each) for each in pattern]
    every = fields.integer("gemma3.attention.sliding_window_pattern", 1, MAX_LAYERS, default=_GLOBAL_EVERY)
    return [(layer + 1) % every != 0 for layer in range(num_layers)]


def _refuse_unsupported(file: GgufFile, name: str, config: ModelConfig) -> None:
    """Raises ModelError for features that would be computed as if they were not there."""
    supported: dict[str, tuple[object, ...]] = {
        "attention.value_length": (config.head_dim,),
        "rope.dimension_count": (config.head_dim,),
        "expert_count": (0,),
        "attention.causal": (True,),
        "attn_logit_softcapping": (0,),
        "final_logit_softcapping": (0,),
    }
    if name not in _WITH_WINDOW:
        supported["attention.sliding_window"] = (0,)
    for key, accepted in supported.items():
        value = file.values.get(f"{name}.{key}")
        if value is not None and not any(type(value) in (int, float, bool) and value == each for each in accepted):
            raise ModelError(f"{file.path}: {name}.{key} is {shortened(value)}; accepted: {accepted[0]!r}")
