"""The shape of a Llama-like transformer, as plain numbers."""

from dataclasses import dataclass
from typing import Literal


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


@dataclass(frozen=True)
class LongRopeScaling:
    """LongRoPE (Ding et al. 2024): one set of factors up to `original_context_tokens`, another beyond it.

    A server takes one of them for good, by the longest context that it serves: cached keys must not change.
    """

    short_factors: tuple[float, ...]
    long_factors: tuple[float, ...]
    original_context_tokens: int
    attention_factor: float
    """By which queries and keys are multiplied."""

    def is_long(self, max_context_tokens: int) -> bool:
        """Return whether contexts of up to `max_context_tokens` tokens need the long factors."""
        return max_context_tokens > self.original_context_tokens


RopeScaling = Llama3RopeScaling | FactorRopeScaling | LongRopeScaling
Activation = Literal["silu", "gelu_tanh"]


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the computation; `sliding_window` is in tokens, None for full attention.

    What is read from a file is made by `config_check.checked_config`, which lets through only what can be computed.
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
