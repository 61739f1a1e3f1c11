"""Translates a GGUF file's metadata into the fields of a ModelConfig; knows names and features, no ranges."""

import math

import numpy as np

from services.ar.model.config import (
    GLOBAL_EVERY,
    MAX_HIDDEN_SIZE,
    MAX_LAYERS,
    ModelConfig,
    gemma3_fields,
    local_layers,
    read_config,
)
from services.ar.model.fields import Fields, shorten
from services.ar.model.gguf.file import GgufFile
from services.ar.model.gguf.tokenizer import read_tokens
from services.ar.model.quantised import StoredTensor, as_array
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
_LAYERS_OF_27B = 62  # of the one Gemma 3 whose queries are scaled by its width, which files do not say
ROPE_FACTORS = "rope_freqs.weight"
"""A tensor of Llama 3's, which is no weight: what each frequency is divided by."""
_LONG_ROPE = ("rope_factors_short.weight", "rope_factors_long.weight")
_ROPE_KINDS = ("none", "linear")
_Found = tuple[dict[str, object], dict[str, str]]
"""Values by field, and what the file calls the fields."""


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
    rope_values, rope_keys = _rope_fields(file, name)
    gemma = _gemma3(file) if name == "gemma3" else {}
    config = read_config(Fields(file.path, values | rope_values | gemma, keys | rope_keys))
    _refuse_unsupported(file, name, config)
    return config


def _rope_fields(file: GgufFile, architecture: str) -> _Found:
    """Return the rotary positions that the file asks for. Raises ModelError if the kind is not supported."""
    prefix = f"{architecture}.rope.scaling"
    kind = file.values.get(f"{prefix}.type", "none")
    tensors = {tensor.name: tensor for tensor in file.tensors}
    what = next((f"{name}, of LongRoPE, is there" for name in _LONG_ROPE if name in tensors), "")
    if kind not in _ROPE_KINDS:
        what = f"{prefix}.type is {shorten(kind)}"
    if what:
        raise ModelError(
            f"{file.path}: {what}; accepted: {', '.join(map(repr, _ROPE_KINDS))}; a file of the same model without "
            "longer contexts would fit"
        )
    if ROPE_FACTORS in tensors:
        return {"rope_factors": _numbers(tensors[ROPE_FACTORS])}, {"rope_factors": ROPE_FACTORS}
    if kind != "linear":
        return {}, {}
    factor = file.values.get(f"{prefix}.factor", file.values.get(f"{architecture}.rope.scale_linear"))
    return {"rope_linear_factor": factor or 1.0}, {"rope_linear_factor": f"{prefix}.factor"}


def _numbers(tensor: StoredTensor) -> list[float]:
    if tensor.format != "float32" or len(tensor.shape) != 1:
        raise Fields(tensor.file, {}).error(tensor.name, tensor.format, "a vector of type F32")
    return [float(value) for value in as_array(tensor.weights())]


def _gemma3(file: GgufFile) -> dict[str, object]:
    fields = Fields(file.path, file.values)
    num_layers = fields.integer("gemma3.block_count", 1, MAX_LAYERS)
    hidden_size = fields.integer("gemma3.embedding_length", 1, MAX_HIDDEN_SIZE)
    query_scale = 1.0
    if num_layers == _LAYERS_OF_27B:
        num_heads = fields.integer("gemma3.attention.head_count", 1, hidden_size)
        head_dim = fields.integer("gemma3.attention.key_length", 1, hidden_size, default=256)
        query_scale = math.sqrt(head_dim * num_heads / hidden_size)
    return gemma3_fields(hidden_size, query_scale, _local_layers(fields, num_layers)) | {
        "local_rope_theta": file.values.get("gemma3.rope.freq_base_swa", 10_000.0)
    }


def _local_layers(fields: Fields, num_layers: int) -> list[bool]:
    """Return which layers are local: as a list of the file says, or all but each so-manieth."""
    key = "gemma3.attention.sliding_window_pattern"
    pattern = fields.values.get(key)
    if isinstance(pattern, np.ndarray):
        return [bool(flag) for flag in pattern]
    return local_layers(num_layers, fields.integer(key, 1, MAX_LAYERS, default=GLOBAL_EVERY))


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
        if value is not None and not any(type(value) in (int, float, bool) and value == one for one in accepted):
            raise ModelError(f"{file.path}: {name}.{key} is {shorten(value)}; accepted: {accepted[0]!r}")
