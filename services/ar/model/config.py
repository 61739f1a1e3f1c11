"""The shape of a Llama-like transformer, as plain numbers, and how it is made of what a file of any format says.

The one place where configurations are checked: what cannot be computed, or not rightly, is refused. Limits are well
above every published model of the Llama family, and low enough that no size of the kernel, which counts in 32 bits,
overflows.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal

from services.ar.model.fields import Fields

MAX_VOCAB_SIZE = 1_048_576
MAX_HIDDEN_SIZE = 131_072
MAX_INTERMEDIATE_SIZE = 1_048_576
MAX_LAYERS = 1_000
MAX_HEADS = 1_024
MAX_HEAD_DIM = 1_024
MAX_ATTENTION_WIDTH = 262_144
"""Numbers that the queries of one token may have: heads x head_dim."""
MAX_CONTEXT_TOKENS = 134_217_728
_FEWEST_CONTEXT_TOKENS = 2  # one of the prompt and one of the output
_NORM_EPS = (1e-12, 1.0)  # float32 must hold it, and it must keep a row of zeros from a division by 0
_ROPE_THETA = (1.0, 1e12)
_ROPE_FACTOR = (1e-3, 1e6)
_SCALE = (1e-3, 1e3)
GLOBAL_EVERY = 6
"""Layers of a Gemma 3 whose file does not say which are local."""


@dataclass(frozen=True)
class Llama3RopeScaling:
    """Frequency scaling of Llama 3.1: long wavelengths are stretched by `factor`, the middle ones partly."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_context_tokens: int


@dataclass(frozen=True)
class FactorRopeScaling:
    """Each frequency divided by a factor of its own: Llama 3 in GGUF files, and linear scaling, where all are equal."""

    factors: tuple[float, ...]
    """One for each of head_dim / 2 frequencies."""


RopeScaling = Llama3RopeScaling | FactorRopeScaling
Activation = Literal["silu", "gelu_tanh"]


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the computation; `sliding_window` is in tokens, None for full attention.

    What is read from a file is made by `read_config`, which lets through only what can be computed.
    """

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
    rope_scaling: RopeScaling | None = None
    """Not of local layers."""
    sliding_window: int | None = None
    local_layers: tuple[bool, ...] = ()
    """Which layers have the window; () if all of them have."""
    local_rope_theta: float | None = None
    """Of local layers, where it is another one than `rope_theta`; they have no rope_scaling then."""
    ties_embeddings: bool = False
    has_qkv_bias: bool = False
    has_attention_output_bias: bool = False
    has_mlp_bias: bool = False
    has_qk_norm: bool = False
    has_output_norms: bool = False
    """Whether what attention and MLP give is normalised before it is added (Gemma 3)."""
    activation: Activation = "silu"
    embedding_scale: float = 1.0
    query_scale: float = 1.0
    """Of queries, besides head_dim ** -0.5; needs has_qk_norm, whose weights take it up."""

    def is_local(self, layer: int) -> bool:
        """Return whether a layer is one of the local ones of a model that has both kinds."""
        return bool(self.local_layers) and self.local_layers[layer]

    def window(self, layer: int) -> int | None:
        """Return how many positions a token of this layer looks at, itself included; None for all."""
        return self.sliding_window if not self.local_layers or self.local_layers[layer] else None


def read_config(values: Fields) -> ModelConfig:
    """Return the configuration whose values a file has under ModelConfig's names; raises ModelError.

    `rope_scaling` comes as one of `rope_factor`, `rope_linear_factor` and `rope_factors`, with what belongs to it.
    Missing `num_kv_heads` are as many as heads; a missing `head_dim` is hidden_size / num_heads.
    """
    num_heads = values.integer("num_heads", 1, MAX_HEADS)
    num_layers = values.integer("num_layers", 1, MAX_LAYERS)
    hidden_size = values.integer("hidden_size", 1, MAX_HIDDEN_SIZE)
    num_kv_heads, head_dim = _num_kv_heads(values, num_heads), _head_dim(values, hidden_size, num_heads)
    flags: dict[str, Any] = {field.name: values.flag(field.name) for field in fields(ModelConfig) if field.type is bool}
    return ModelConfig(
        vocab_size=values.integer("vocab_size", 1, MAX_VOCAB_SIZE),
        hidden_size=hidden_size,
        intermediate_size=values.integer("intermediate_size", 1, MAX_INTERMEDIATE_SIZE),
        num_layers=num_layers,
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        head_dim=head_dim,
        max_context_tokens=values.integer("max_context_tokens", _FEWEST_CONTEXT_TOKENS, MAX_CONTEXT_TOKENS),
        norm_eps=values.number("norm_eps", *_NORM_EPS),
        rope_theta=values.number("rope_theta", *_ROPE_THETA, default=10_000.0),
        rope_scaling=_rope_scaling(values, head_dim // 2),
        sliding_window=values.optional_integer("sliding_window", 1, MAX_CONTEXT_TOKENS),
        local_layers=_local_layers(values, num_layers),
        local_rope_theta=values.number("local_rope_theta", *_ROPE_THETA) if values.has("local_rope_theta") else None,
        activation="gelu_tanh" if values.text("activation", "silu") == "gelu_tanh" else "silu",
        embedding_scale=values.number("embedding_scale", *_SCALE, default=1.0),
        query_scale=values.number("query_scale", *_SCALE, default=1.0),
        **flags,
    )


def _num_kv_heads(values: Fields, num_heads: int) -> int:
    """Return the number of heads of keys and values; each serves as many heads of queries as any other."""
    num_kv_heads = values.integer("num_kv_heads", 1, MAX_HEADS, default=num_heads)
    if num_heads % num_kv_heads:
        raise values.error("num_kv_heads", num_kv_heads, f"a divisor of {values.key('num_heads')}, {num_heads}")
    return num_kv_heads


def _head_dim(values: Fields, hidden_size: int, num_heads: int) -> int:
    """Return the size of a head, whose halves are the pairs that rotary positions turn."""
    if not values.has("head_dim") and hidden_size % num_heads:
        accepted = f"a multiple of {values.key('num_heads')}, {num_heads}, where {values.key('head_dim')} is missing"
        raise values.error("hidden_size", hidden_size, accepted)
    head_dim = values.integer("head_dim", 2, MAX_HEAD_DIM, default=hidden_size // num_heads)
    if head_dim % 2:
        raise values.error("head_dim", head_dim, f"an even number from 2 to {MAX_HEAD_DIM:,}")
    if num_heads * head_dim > MAX_ATTENTION_WIDTH:
        accepted = f"at most {MAX_ATTENTION_WIDTH:,} / {values.key('head_dim')}, {head_dim}"
        raise values.error("num_heads", num_heads, accepted)
    return head_dim


def _rope_scaling(values: Fields, num_frequencies: int) -> RopeScaling | None:
    if values.has("rope_linear_factor"):
        return FactorRopeScaling((values.number("rope_linear_factor", *_ROPE_FACTOR),) * num_frequencies)
    if values.has("rope_factors"):
        return FactorRopeScaling(values.numbers("rope_factors", num_frequencies, *_ROPE_FACTOR))
    if not values.has("rope_factor"):
        return None
    low, high = (values.number(f"rope_{name}_freq_factor", *_ROPE_FACTOR) for name in ("low", "high"))
    if low >= high:
        accepted = f"a number above {values.key('rope_low_freq_factor')}, {low:g}"
        raise values.error("rope_high_freq_factor", high, accepted)
    return Llama3RopeScaling(
        factor=values.number("rope_factor", *_ROPE_FACTOR),
        low_freq_factor=low,
        high_freq_factor=high,
        original_context_tokens=values.integer("rope_original_context_tokens", 1, MAX_CONTEXT_TOKENS),
    )


def _local_layers(values: Fields, num_layers: int) -> tuple[bool, ...]:
    """Return which layers have the window, where the file distinguishes layers and there is a window."""
    local = values.values.get("local_layers")
    if local is None or not values.has("sliding_window"):
        return ()
    if not isinstance(local, list) or len(local) != num_layers:
        raise values.error("local_layers", local, f"a list of {num_layers} flags")
    return tuple(map(bool, local))


def gemma3_fields(hidden_size: int, query_scale: float, local: list[bool]) -> dict[str, object]:
    """Return the fields that a Gemma 3 has beyond a Llama's."""
    return {
        "has_output_norms": True,
        "activation": "gelu_tanh",
        "embedding_scale": math.sqrt(hidden_size),
        "query_scale": query_scale,
        "local_layers": local,
    }


def local_layers(num_layers: int, every: int) -> list[bool]:
    """Return which layers are local: all but each so-manieth."""
    return [(layer + 1) % every != 0 for layer in range(num_layers)]
