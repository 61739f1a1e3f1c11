"""The shape of a Llama-family transformer, as plain numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.models import ModelError

ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
}


@dataclass(frozen=True)
class Llama3RopeScaling:
    """Frequency scaling of Llama 3.1: long wavelengths are stretched by `factor`, the middle ones partly."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_context_tokens: int


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the computation; `sliding_window` is in tokens, None for full attention."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    max_context_tokens: int
    norm_eps: float = 1e-5
    rope_theta: float = 10_000.0
    rope_scaling: Llama3RopeScaling | None = None
    sliding_window: int | None = None
    ties_embeddings: bool = False
    has_qkv_bias: bool = False
    has_attention_output_bias: bool = False
    has_mlp_bias: bool = False
    has_qk_norm: bool = False


def config_from_huggingface(raw: Mapping[str, Any]) -> ModelConfig:
    """Translate a config.json. Raises ModelError if the architecture, or a feature of it, is not supported."""
    architecture = next(iter(raw.get("architectures") or [""]))
    family = ARCHITECTURES.get(architecture)
    if family is None:
        raise ModelError(f"config.json: architecture {architecture!r} is not supported; {', '.join(ARCHITECTURES)} are")
    if raw.get("hidden_act", "silu") != "silu":
        raise ModelError(f"config.json: hidden_act {raw['hidden_act']!r} is not supported; 'silu' is")
    try:
        return _translate(raw, family)
    except KeyError as error:
        raise ModelError(f"config.json: {error.args[0]} is missing") from None


def _translate(raw: Mapping[str, Any], family: str) -> ModelConfig:
    rope = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    return ModelConfig(
        vocab_size=raw["vocab_size"],
        hidden_size=raw["hidden_size"],
        intermediate_size=raw["intermediate_size"],
        num_layers=raw["num_hidden_layers"],
        num_heads=raw["num_attention_heads"],
        num_kv_heads=raw.get("num_key_value_heads") or raw["num_attention_heads"],
        head_dim=raw.get("head_dim") or raw["hidden_size"] // raw["num_attention_heads"],
        max_context_tokens=raw["max_position_embeddings"],
        norm_eps=raw.get("rms_norm_eps", 1e-6),
        rope_theta=rope.get("rope_theta") or raw.get("rope_theta", 10_000.0),
        rope_scaling=_rope_scaling(rope),
        sliding_window=_sliding_window(raw, family),
        ties_embeddings=raw.get("tie_word_embeddings", False),
        has_qkv_bias=family == "qwen2" or raw.get("attention_bias", False),
        has_attention_output_bias=family != "qwen2" and raw.get("attention_bias", False),
        has_mlp_bias=raw.get("mlp_bias", False),
        has_qk_norm=family == "qwen3",
    )


def _rope_scaling(rope: Mapping[str, Any]) -> Llama3RopeScaling | None:
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind == "default":
        return None
    if kind != "llama3":
        raise ModelError(f"config.json: rope scaling {kind!r} is not supported; 'default' and 'llama3' are")
    return Llama3RopeScaling(
        factor=rope["factor"],
        low_freq_factor=rope["low_freq_factor"],
        high_freq_factor=rope["high_freq_factor"],
        original_context_tokens=rope["original_max_position_embeddings"],
    )


def _sliding_window(raw: Mapping[str, Any], family: str) -> int | None:
    if family == "mistral":
        return raw.get("sliding_window")
    if raw.get("use_sliding_window"):
        raise ModelError("config.json: use_sliding_window (a window in some layers only) is not supported")
    return None
