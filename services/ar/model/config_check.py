"""Makes a ModelConfig of what a file says, of any format; refuses what cannot be computed, or not rightly.

The one place where configurations are checked. Limits are well above every published model of the Llama family, and low
enough that no size of the kernel, which counts in 32 bits, overflows.
"""

from services.ar.model.config import (
    Activation,
    FactorRopeScaling,
    Llama3RopeScaling,
    LongRopeScaling,
    ModelConfig,
    RopeScaling,
)
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


def checked_config(fields: Fields) -> ModelConfig:
    """Return the configuration whose values `fields` has under ModelConfig's names; raises ModelError.

    `rope_scaling` comes as one of `rope_factor`, `rope_linear_factor`, `rope_factors` and `rope_short_factors`, with
    what belongs to it. Missing `num_kv_heads` are as many as heads; a missing `head_dim` is hidden_size / num_heads.
    """
    num_heads = fields.integer("num_heads", 1, MAX_HEADS)
    num_layers = fields.integer("num_layers", 1, MAX_LAYERS)
    hidden_size = fields.integer("hidden_size", 1, MAX_HIDDEN_SIZE)
    num_kv_heads, head_dim = _num_kv_heads(fields, num_heads), _head_dim(fields, hidden_size, num_heads)
    has_local_theta = fields.is_there("local_rope_theta")
    return ModelConfig(
        vocab_size=fields.integer("vocab_size", 1, MAX_VOCAB_SIZE),
        hidden_size=hidden_size,
        intermediate_size=fields.integer("intermediate_size", 1, MAX_INTERMEDIATE_SIZE),
        num_layers=num_layers,
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        head_dim=head_dim,
        max_context_tokens=fields.integer("max_context_tokens", _FEWEST_CONTEXT_TOKENS, MAX_CONTEXT_TOKENS),
        norm_eps=fields.number("norm_eps", *_NORM_EPS),
        rope_theta=fields.number("rope_theta", *_ROPE_THETA, default=10_000.0),
        rope_scaling=_rope_scaling(fields, head_dim // 2),
        sliding_window=_sliding_window(fields),
        local_layers=_local_layers(fields, num_layers),
        local_rope_theta=fields.number("local_rope_theta", *_ROPE_THETA) if has_local_theta else None,
        ties_embeddings=fields.flag("ties_embeddings"),
        has_qkv_bias=fields.flag("has_qkv_bias"),
        has_attention_output_bias=fields.flag("has_attention_output_bias"),
        has_mlp_bias=fields.flag("has_mlp_bias"),
        has_qk_norm=fields.flag("has_qk_norm"),
        has_output_norms=fields.flag("has_output_norms"),
        activation=_activation(fields),
        embedding_scale=fields.number("embedding_scale", *_SCALE, default=1.0),
        query_scale=fields.number("query_scale", *_SCALE, default=1.0),
    )


def checked_token_id(fields: Fields, name: str, vocab_size: int) -> int | None:
    """Return the id of a token in the vocabulary, or None if the file has none; raises ModelError."""
    return fields.integer(name, 0, vocab_size - 1) if fields.is_there(name) else None


def _num_kv_heads(fields: Fields, num_heads: int) -> int:
    """Return the number of heads of keys and values; each serves as many heads of queries as any other."""
    num_kv_heads = fields.integer("num_kv_heads", 1, MAX_HEADS, default=num_heads)
    if num_heads % num_kv_heads:
        raise fields.error("num_kv_heads", num_kv_heads, f"a divisor of {fields.key('num_heads')}, {num_heads}")
    return num_kv_heads


def _head_dim(fields: Fields, hidden_size: int, num_heads: int) -> int:
    """Return the size of a head, whose halves are the pairs that rotary positions turn."""
    if not fields.is_there("head_dim") and hidden_size % num_heads:
        accepted = f"a multiple of {fields.key('num_heads')}, {num_heads}, where {fields.key('head_dim')} is missing"
        raise fields.error("hidden_size", hidden_size, accepted)
    head_dim = fields.integer("head_dim", 2, MAX_HEAD_DIM, default=hidden_size // num_heads)
    if head_dim % 2:
        raise fields.error("head_dim", head_dim, f"an even number from 2 to {MAX_HEAD_DIM:,}")
    if num_heads * head_dim > MAX_ATTENTION_WIDTH:
        accepted = f"at most {MAX_ATTENTION_WIDTH:,} / {fields.key('head_dim')}, {head_dim}"
        raise fields.error("num_heads", num_heads, accepted)
    return head_dim


def _rope_scaling(fields: Fields, num_frequencies: int) -> RopeScaling | None:
    if fields.is_there("rope_linear_factor"):
        return FactorRopeScaling((fields.number("rope_linear_factor", *_ROPE_FACTOR),) * num_frequencies)
    if fields.is_there("rope_factors"):
        return FactorRopeScaling(fields.numbers("rope_factors", num_frequencies, *_ROPE_FACTOR))
    if fields.is_there("rope_short_factors"):
        return _long_rope_scaling(fields, num_frequencies)
    return _llama3_rope_scaling(fields) if fields.is_there("rope_factor") else None


def _long_rope_scaling(fields: Fields, num_frequencies: int) -> LongRopeScaling:
    return LongRopeScaling(
        short_factors=fields.numbers("rope_short_factors", num_frequencies, *_ROPE_FACTOR),
        long_factors=fields.numbers("rope_long_factors", num_frequencies, *_ROPE_FACTOR),
        original_context_tokens=fields.integer("rope_original_context_tokens", 1, MAX_CONTEXT_TOKENS),
        attention_factor=fields.number("rope_attention_factor", *_SCALE, default=1.0),
    )


def _llama3_rope_scaling(fields: Fields) -> Llama3RopeScaling:
    low, high = (fields.number(f"rope_{name}_freq_factor", *_ROPE_FACTOR) for name in ("low", "high"))
    if low >= high:
        accepted = f"a number above {fields.key('rope_low_freq_factor')}, {low:g}"
        raise fields.error("rope_high_freq_factor", high, accepted)
    return Llama3RopeScaling(
        factor=fields.number("rope_factor", *_ROPE_FACTOR),
        low_freq_factor=low,
        high_freq_factor=high,
        original_context_tokens=fields.integer("rope_original_context_tokens", 1, MAX_CONTEXT_TOKENS),
    )


def _activation(fields: Fields) -> Activation:
    return "gelu_tanh" if fields.text("activation", "silu") == "gelu_tanh" else "silu"


def _local_layers(fields: Fields, num_layers: int) -> tuple[bool, ...]:
    """Return which layers have the window, where the file distinguishes layers and there is a window."""
    local = fields.values.get("local_layers")
    if local is None or not fields.is_there("sliding_window"):
        return ()
    if not isinstance(local, list) or len(local) != num_layers:
        raise fields.error("local_layers", local, f"a list of {num_layers} flags")
    return tuple(map(bool, local))


def _sliding_window(fields: Fields) -> int | None:
    has_window = fields.is_there("sliding_window")
    return fields.integer("sliding_window", 1, MAX_CONTEXT_TOKENS) if has_window else None
