"""Translates Hugging Face's config.json into the fields of a ModelConfig; knows names and features, no ranges."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.ar.model.config import (
    GLOBAL_EVERY,
    MAX_HEAD_DIM,
    MAX_HIDDEN_SIZE,
    MAX_LAYERS,
    ModelConfig,
    gemma3_fields,
    local_layers,
    read_config,
)
from services.ar.model.fields import Fields, shorten
from tandem.shared.models import ModelError

ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "Phi3ForCausalLM": "phi3",
    "Gemma3ForCausalLM": "gemma3",
}
_KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "intermediate_size": "intermediate_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "num_kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "max_context_tokens": "max_position_embeddings",
    "norm_eps": "rms_norm_eps",
    "sliding_window": "sliding_window",
    "ties_embeddings": "tie_word_embeddings",
    "has_mlp_bias": "mlp_bias",
}
_DEFAULT_NORM_EPS = 1e-6
_WITH_WINDOW = ("mistral", "phi3", "gemma3")
_LAYER_KINDS = _LOCAL, _GLOBAL = "sliding_attention", "full_attention"
_LLAMA3_KEYS = {
    "rope_factor": "factor",
    "rope_low_freq_factor": "low_freq_factor",
    "rope_high_freq_factor": "high_freq_factor",
    "rope_original_context_tokens": "original_max_position_embeddings",
}
_ROPE_KEYS: dict[str, dict[str, str]] = {
    "default": {},
    "linear": {"rope_linear_factor": "factor"},
    "llama3": _LLAMA3_KEYS,
}
"""By kind of rotary positions: what the file calls its fields."""
_Found = tuple[dict[str, object], dict[str, str]]
"""Values by field, and what the file calls the fields."""


def config_from_huggingface(file: Path, raw: Mapping[str, Any]) -> ModelConfig:
    """Return the configuration of a config.json. Raises ModelError if it, or a feature of it, is not supported."""
    family = family_of(file, raw)
    _refuse_unsupported(file, raw, family)
    values = {field: raw.get(key) for field, key in _KEYS.items()}
    if values["norm_eps"] is None:
        values["norm_eps"] = _DEFAULT_NORM_EPS
    values["sliding_window"] = raw.get("sliding_window") if family in _WITH_WINDOW else None
    values["has_qkv_bias"] = True if family == "qwen2" else raw.get("attention_bias")
    values["has_attention_output_bias"] = None if family == "qwen2" else raw.get("attention_bias")
    values["has_qk_norm"] = family in ("qwen3", "gemma3")
    keys = _KEYS | dict.fromkeys(("has_qkv_bias", "has_attention_output_bias"), "attention_bias")
    rope_values, rope_keys = _rope_fields(file, raw)
    if family == "gemma3":
        values |= _gemma3(file, raw, rope_values)
    return read_config(Fields(file, values | rope_values, keys | rope_keys))


def _gemma3(file: Path, raw: Mapping[str, Any], rope: dict[str, object]) -> dict[str, object]:
    """Return the fields that a Gemma 3 has beyond a Llama's; may add the local layers' base to `rope`."""
    fields = Fields(file, raw)
    hidden_size = fields.integer("hidden_size", 1, MAX_HIDDEN_SIZE)
    head_dim = fields.integer("head_dim", 2, MAX_HEAD_DIM, default=256)
    scalar = fields.number("query_pre_attn_scalar", 1, MAX_HIDDEN_SIZE, default=256)
    rope.setdefault("local_rope_theta", raw.get("rope_local_base_freq", 10_000.0))
    return gemma3_fields(hidden_size, math.sqrt(head_dim / scalar), _local_layers(fields)) | {
        "head_dim": head_dim,
        "ties_embeddings": True if raw.get("tie_word_embeddings") is None else raw["tie_word_embeddings"],
    }


def _local_layers(fields: Fields) -> list[bool]:
    num_layers = fields.integer("num_hidden_layers", 1, MAX_LAYERS)
    every = fields.integer("sliding_window_pattern", 1, MAX_LAYERS, default=GLOBAL_EVERY)
    kinds = fields.values.get("layer_types")
    if kinds is None:
        return local_layers(num_layers, every)
    if not isinstance(kinds, list) or len(kinds) != num_layers or any(kind not in _LAYER_KINDS for kind in kinds):
        accepted = f"{_LOCAL!r} or {_GLOBAL!r} for each of {num_layers} layers"
        raise fields.error("layer_types", kinds, accepted)
    return [kind == _LOCAL for kind in kinds]


def _rope_fields(file: Path, raw: Mapping[str, Any]) -> _Found:
    """Return the rotary fields' values and keys, from where this version of the format has them."""
    name = next((name for name in ("rope_parameters", "rope_scaling") if raw.get(name) is not None), "rope_parameters")
    rope = _object(file, name, raw.get(name))
    if "full_attention" not in rope:
        return _of_layers(file, raw, name, rope, raw.get("rope_theta"))
    local = _object(file, f"{name}.sliding_attention", rope.get("sliding_attention"))
    if _kind(file, f"{name}.sliding_attention", local) != "default":
        raise ModelError(f"{file}: {name}.sliding_attention: only rope_type 'default' is supported")
    whole = f"{name}.full_attention"
    values, keys = _of_layers(file, raw, whole, _object(file, whole, rope["full_attention"]), None)
    values["local_rope_theta"] = local.get("rope_theta")
    return values, keys | {"local_rope_theta": f"{name}.sliding_attention.rope_theta"}


def _object(file: Path, name: str, value: object) -> Mapping[str, Any]:
    value = {} if value is None else value
    if not isinstance(value, dict):
        raise ModelError(f"{file}: {name} is {shorten(value)}; accepted: an object")
    return value


def _of_layers(file: Path, raw: Mapping[str, Any], name: str, rope: Mapping[str, Any], theta: object) -> _Found:
    if (share := rope.get("partial_rotary_factor", raw.get("partial_rotary_factor"))) not in (None, 1):
        raise ModelError(f"{file}: partial_rotary_factor {shorten(share)} is not supported; 1 is")
    has_own_theta = rope.get("rope_theta") is not None
    own_keys = _ROPE_KEYS[_kind(file, name, rope)]
    values = {"rope_theta": rope["rope_theta"] if has_own_theta else theta}
    keys = {"rope_theta": f"{name}.rope_theta" if has_own_theta else "rope_theta"}
    values |= {field: rope.get(key) for field, key in own_keys.items()}
    keys |= {field: f"{name}.{key}" for field, key in own_keys.items()}
    if own_keys and rope.get("factor") is None:
        raise Fields(file, values, keys).error(next(iter(own_keys)), None, "a number")
    return values, keys


def _kind(file: Path, name: str, rope: Mapping[str, Any]) -> str:
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if not isinstance(kind, str) or kind not in _ROPE_KEYS:
        accepted = ", ".join(map(repr, _ROPE_KEYS))
        long = " (Phi-3 is, without its long contexts)" if kind == "longrope" else ""
        raise ModelError(f"{file}: {name}: rope scaling {shorten(kind)} is not supported; {accepted} are{long}")
    return kind


def family_of(file: Path, raw: Mapping[str, Any]) -> str:
    """Return one of the values of ARCHITECTURES. Raises ModelError if it is another architecture."""
    named = raw.get("architectures")
    architecture = named[0] if isinstance(named, list) and named else named
    if not isinstance(architecture, str) or architecture not in ARCHITECTURES:
        accepted = ", ".join(ARCHITECTURES)
        raise ModelError(f"{file}: architecture {shorten(architecture)} is not supported; {accepted} are")
    return ARCHITECTURES[architecture]


def _refuse_unsupported(file: Path, raw: Mapping[str, Any], family: str) -> None:
    """Raises ModelError for features that would be computed as if they were not there."""
    key, wanted = ("hidden_activation", "gelu_pytorch_tanh") if family == "gemma3" else ("hidden_act", "silu")
    if (activation := raw.get(key, wanted)) != wanted:
        raise ModelError(f"{file}: {key} {shorten(activation)} is not supported; {wanted!r} is")
    for key in ("attn_logit_softcapping", "final_logit_softcapping", "use_bidirectional_attention"):
        if raw.get(key):
            raise ModelError(f"{file}: {key} {shorten(raw[key])} is not supported; null is")
    if family == "gemma3":
        return
    layer_types = raw.get("layer_types")
    has_window = isinstance(layer_types, list) and any(kind != _GLOBAL for kind in layer_types)
    if family not in _WITH_WINDOW and (has_window or raw.get("use_sliding_window")):
        raise ModelError(f"{file}: use_sliding_window or layer_types (a window in some layers only) is not supported")
