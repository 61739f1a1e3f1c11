"""Translates Hugging Face's config.json into the fields of a ModelConfig; knows names and features, no ranges."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.ar.model.config import ModelConfig
from services.ar.model.config_check import MAX_HEAD_DIM, MAX_HIDDEN_SIZE, MAX_LAYERS, checked_config
from services.ar.model.fields import Fields, shortened
from services.ar.model.huggingface.rope import rope_fields
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
_GLOBAL_EVERY = 6  # layers of a Gemma 3 whose file does not say which are local


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
    rope_values, rope_keys = rope_fields(file, raw)
    if family == "gemma3":
        values |= _gemma3(file, raw, rope_values)
    return checked_config(Fields(file, values | rope_values, keys | rope_keys))


def _gemma3(file: Path, raw: Mapping[str, Any], rope: dict[str, object]) -> dict[str, object]:
    """Return the fields that a Gemma 3 has beyond a Llama's; may add the local layers' base to `rope`."""
    fields = Fields(file, raw)
    hidden_size = fields.integer("hidden_size", 1, MAX_HIDDEN_SIZE)
    head_dim = fields.integer("head_dim", 2, MAX_HEAD_DIM, default=256)
    scalar = fields.number("query_pre_attn_scalar", 1, MAX_HIDDEN_SIZE, default=256)
    rope.setdefault("local_rope_theta", raw.get("rope_local_base_freq", 10_000.0))
    return {
        "head_dim": head_dim,
        "ties_embeddings": True if raw.get("tie_word_embeddings") is None else raw["tie_word_embeddings"],
        "has_output_norms": True,
        "activation": "gelu_tanh",
        "embedding_scale": math.sqrt(hidden_size),
        "query_scale": math.sqrt(head_dim / scalar),
        "local_layers": _local_layers(fields),
    }


def _local_layers(fields: Fields) -> list[bool]:
    num_layers = fields.integer("num_hidden_layers", 1, MAX_LAYERS)
    every = fields.integer("sliding_window_pattern", 1, MAX_LAYERS, default=_GLOBAL_EVERY)
    kinds = fields.values.get("layer_types")
    if kinds is None:
        return [(layer + 1) % every != 0 for layer in range(num_layers)]
    if not isinstance(kinds, list) or len(kinds) != num_layers or any(kind not in _LAYER_KINDS for kind in kinds):
        accepted = f"{_LOCAL!r} or {_GLOBAL!r} for each of {num_layers} layers"
        raise fields.error("layer_types", kinds, accepted)
    return [kind == _LOCAL for kind in kinds]


def family_of(file: Path, raw: Mapping[str, Any]) -> str:
    """Return one of the values of ARCHITECTURES. Raises ModelError if it is another architecture."""
    named = raw.get("architectures")
    architecture = named[0] if isinstance(named, list) and named else named
    if not isinstance(architecture, str) or architecture not in ARCHITECTURES:
        accepted = ", ".join(ARCHITECTURES)
        raise ModelError(f"{file}: architecture {shortened(architecture)} is not supported; {accepted} are")
    return ARCHITECTURES[architecture]


def _refuse_unsupported(file: Path, raw: Mapping[str, Any], family: str) -> None:
    """Raises ModelError for features that would be computed as if they were not there."""
    key, wanted = ("hidden_activation", "gelu_pytorch_tanh") if family == "gemma3" else ("hidden_act", "silu")
    if (activation := raw.get(key, wanted)) != wanted:
        raise ModelError(f"{file}: {key} {shortened(activation)} is not supported; {wanted!r} is")
    for key in ("attn_logit_softcapping", "final_logit_softcapping", "use_bidirectional_attention"):
        if raw.get(key):
            raise ModelError(f"{file}: {key} {shortened(raw[key])} is not supported; null is")
    if family == "gemma3":
        return
    layer_types = raw.get("layer_types")
    has_window = isinstance(layer_types, list) and any(kind != _GLOBAL for kind in layer_types)
    if family not in _WITH_WINDOW and (has_window or raw.get("use_sliding_window")):
        raise ModelError(f"{file}: use_sliding_window or layer_types (a window in some layers only) is not supported")
