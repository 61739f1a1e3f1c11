"""Makes a ModelConfig of what a file says, of any format; refuses what cannot be computed, or not rightly.

The one place where configurations are checked. Limits are well above every published model of the Llama family, and low
enough that no size of the kernel, which counts in 32 bits, overflows.
"""

from services.ar.fields import Fields
from services.ar.model_config import Llama3RopeScaling, ModelConfig

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


def checked_config(fields: Fields) -> ModelConfig:
    """Return the configuration whose values `fields` has under ModelConfig's names; raises ModelError.

    `rope_scaling` comes as `rope_factor`, `rope_low_freq_factor`, `rope_high_freq_factor` and
    `rope_original_context_tokens`, and is there if `rope_factor` is. Missing `num_kv_heads` are as many as heads;
    a missing `head_dim` is hidden_size / num_heads.
    """
    num_heads = fields.integer("num_heads", 1, MAX_HEADS)
    hidden_size = fields.integer("hidden_size", 1, MAX_HIDDEN_SIZE)
    return ModelConfig(
        vocab_size=fields.integer("vocab_size", 1, MAX_VOCAB_SIZE),
        hidden_size=hidden_size,
        intermediate_size=fields.integer("intermediate_size", 1, MAX_INTERMEDIATE_SIZE),
        num_layers=fields.integer("num_layers", 1, MAX_LAYERS),
        num_heads=num_heads,
        num_kv_heads=_num_kv_heads(fields, num_heads),
        head_dim=_head_dim(fields, hidden_size, num_heads),
        max_context_tokens=fields.integer("max_context_tokens", _FEWEST_CONTEXT_TOKENS, MAX_CONTEXT_TOKENS),
        norm_eps=fields.number("norm_eps", *_NORM_EPS),
        rope_theta=fields.number("rope_theta", *_ROPE_THETA, default=10_000.0),
        rope_scaling=_rope_scaling(fields),
        sliding_window=_sliding_window(fields),
        ties_embeddings=fields.flag("ties_embeddings"),
        has_qkv_bias=fields.flag("has_qkv_bias"),
        has_attention_output_bias=fields.flag("has_attention_output_bias"),
        has_mlp_bias=fields.flag("has_mlp_bias"),
        has_qk_norm=fields.flag("has_qk_norm"),
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


def _rope_scaling(fields: Fields) -> Llama3RopeScaling | None:
    if not fields.is_there("rope_factor"):
        return None
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


def _sliding_window(fields: Fields) -> int | None:
    has_window = fields.is_there("sliding_window")
    return fields.integer("sliding_window", 1, MAX_CONTEXT_TOKENS) if has_window else None
