"""The shape of a Llama-family transformer, as plain numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Llama3RopeScaling:
    """Frequency scaling of Llama 3.1: long wavelengths are stretched by `factor`, the middle ones partly."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_context_tokens: int


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
    rope_scaling: Llama3RopeScaling | None = None
    sliding_window: int | None = None
    ties_embeddings: bool = False
    has_qkv_bias: bool = False
    has_attention_output_bias: bool = False
    has_mlp_bias: bool = False
    has_qk_norm: bool = False
