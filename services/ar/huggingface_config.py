"""Translates Hugging Face's config.json into the fields of a ModelConfig; knows names and features, no ranges."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtime.models import ModelError
from services.ar.config_check import checked_config
from services.ar.fields import Fields, shortened
from services.ar.model_config import ModelConfig

ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
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
_ROPE_KEYS = {
    "rope_factor": "factor",
    "rope_low_freq_factor": "low_freq_factor",
    "rope_high_freq_factor": "high_freq_factor",
    "rope_original_context_tokens": "original_max_position_embeddings",
}
_DEFAULT_NORM_EPS = 1e-6


def config_from_huggingface(file: Path, raw: Mapping[str, Any]) -> ModelConfig:
    """Return the configuration of a config.json. Raises ModelError if it, or a feature of it, is not supported."""
    family = _family(file, raw)
    _refuse_unsupported(file, raw, family)
    values = {field: raw.get(key) for field, key in _KEYS.items()}
    if values["norm_eps"] is None:
        values["norm_eps"] = _DEFAULT_NORM_EPS
    values["sliding_window"] = raw.get("sliding_window") if family == "mistral" else None
    values["has_qkv_bias"] = True if family == "qwen2" else raw.get("attention_bias")
    values["has_attention_output_bias"] = None if family == "qwen2" else raw.get("attention_bias")
    values["has_qk_norm"] = family == "qwen3"
    keys = _KEYS | dict.fromkeys(("has_qkv_bias", "has_attention_output_bias"), "attention_bias")
    rope_values, rope_keys = _rope(file, raw)
    return checked_config(Fields(file, values | rope_values, keys | rope_keys))


def _family(file: Path, raw: Mapping[str, Any]) -> str:
    named = raw.get("architectures")
    architecture = named[0] if isinstance(named, list) and named else named
    if not isinstance(architecture, str) or architecture not in ARCHITECTURES:
        accepted = ", ".join(ARCHITECTURES)
        raise ModelError(f"{file}: architecture {shortened(architecture)} is not supported; {accepted} are")
    return ARCHITECTURES[architecture]


def _refuse_unsupported(file: Path, raw: Mapping[str, Any], family: str) -> None:
    """Raises ModelError for features that would be computed as if they were not there."""
    if (activation := raw.get("hidden_act", "silu")) != "silu":
        raise ModelError(f"{file}: hidden_act {shortened(activation)} is not supported; 'silu' is")
    layer_types = raw.get("layer_types")
    has_window = isinstance(layer_types, list) and any(kind != "full_attention" for kind in layer_types)
    if family != "mistral" and (has_window or raw.get("use_sliding_window")):
        raise ModelError(f"{file}: use_sliding_window or layer_types (a window in some layers only) is not supported")


def _rope(file: Path, raw: Mapping[str, Any]) -> tuple[dict[str, object], dict[str, str]]:
    """Return the rotary fields' values and keys, from where this version of the format has them."""
    name = next((name for name in ("rope_parameters", "rope_scaling") if raw.get(name) is not None), "rope_parameters")
    rope = raw.get(name, {})
    rope = {} if rope is None else rope
    if not isinstance(rope, dict):
        raise ModelError(f"{file}: {name} is {shortened(rope)}; accepted: an object")
    if (share := rope.get("partial_rotary_factor", raw.get("partial_rotary_factor"))) not in (None, 1):
        raise ModelError(f"{file}: partial_rotary_factor {shortened(share)} is not supported; 1 is")
    has_own_theta = rope.get("rope_theta") is not None
    values = {"rope_theta": rope["rope_theta"] if has_own_theta else raw.get("rope_theta")}
    keys = {"rope_theta": f"{name}.rope_theta" if has_own_theta else "rope_theta"}
    if _has_scaling(file, name, rope):
        values |= {field: rope.get(key) for field, key in _ROPE_KEYS.items()}
        keys |= {field: f"{name}.{key}" for field, key in _ROPE_KEYS.items()}
        if values["rope_factor"] is None:
            raise Fields(file, values, keys).error("rope_factor", None, "a number")
    return values, keys


def _has_scaling(file: Path, name: str, rope: Mapping[str, Any]) -> bool:
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind not in ("default", "llama3"):
        raise ModelError(f"{file}: {name}: rope scaling {shortened(kind)} is not supported; 'default' and 'llama3' are")
    return kind == "llama3"
