"""What is let through as a configuration, and what it says of the rest."""

import math
import re
from pathlib import Path
from typing import Any

import pytest

from services.ar.model.config import MAX_LAYERS, Llama3RopeScaling, read_config
from services.ar.model.fields import Fields
from services.ar.model.huggingface.config import config_from_huggingface
from tandem.shared.models import ModelError

FILE = Path("model/config.json")
GOOD: dict[str, Any] = {
    "vocab_size": 100,
    "hidden_size": 72,
    "intermediate_size": 90,
    "num_layers": 2,
    "num_heads": 9,
    "num_kv_heads": 3,
    "max_context_tokens": 64,
    "norm_eps": 1e-5,
}
ROPE = {
    "rope_factor": 8.0,
    "rope_low_freq_factor": 1,
    "rope_high_freq_factor": 4.0,
    "rope_original_context_tokens": 8192,
}
# Layers, hidden, inner, heads, KV heads, size of a head (None: hidden / heads), vocabulary, context.
PUBLISHED = {
    "Llama 3.1 405B": (126, 16_384, 53_248, 128, 8, None, 128_256, 131_072),
    "Llama 3.2 1B": (16, 2_048, 8_192, 32, 8, 64, 128_256, 131_072),
    "Mistral Nemo 12B": (40, 5_120, 14_336, 32, 8, 128, 131_072, 1_024_000),
    "Qwen2 0.5B": (24, 896, 4_864, 14, 2, None, 151_936, 131_072),
    "Qwen3 0.6B": (28, 1_024, 3_072, 16, 8, 128, 151_936, 40_960),
    "Qwen2.5 14B, 1M": (48, 5_120, 13_824, 40, 8, None, 152_064, 1_010_000),
    "SmolLM2 135M": (30, 576, 1_536, 9, 3, None, 49_152, 8_192),
}


def config_of(**changes: object) -> Any:
    return read_config(Fields(FILE, GOOD | changes, {"num_heads": "num_attention_heads"}))


def test_defaults_are_what_the_formats_say() -> None:
    config = config_of(num_kv_heads=None)
    assert (config.num_kv_heads, config.head_dim, config.rope_theta) == (9, 8, 10_000.0)
    assert (config.rope_scaling, config.sliding_window, config.ties_embeddings) == (None, None, False)
    assert config_of(**ROPE).rope_scaling == Llama3RopeScaling(8.0, 1.0, 4.0, 8192)


def test_published_models_are_let_through() -> None:
    for layers, hidden, inner, heads, kv_heads, head_dim, vocab, context in PUBLISHED.values():
        raw = {
            "architectures": ["LlamaForCausalLM"],
            "num_hidden_layers": layers,
            "hidden_size": hidden,
            "intermediate_size": inner,
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "head_dim": head_dim,
            "vocab_size": vocab,
            "max_position_embeddings": context,
            "rope_theta": 1_000_000,
        }
        assert config_from_huggingface(FILE, raw).head_dim == (head_dim or hidden // heads)


SIZES = [name for name in GOOD if name != "norm_eps"]


def test_a_size_is_a_whole_number_in_its_range_and_named_if_it_is_missing() -> None:
    for name in SIZES:
        key = "num_attention_heads" if name == "num_heads" else name
        for value in ("9", True, 9.0, [9], {}, -1, 0, 2**31, 10**30, 10**400, math.nan):
            with pytest.raises(ModelError, match=rf"^model/config.json: {key} is .{{1,80}}; accepted: a whole number"):
                config_of(**{name: value})
        if name != "num_kv_heads":
            with pytest.raises(ModelError, match=f"config.json: {key} is missing; accepted: a whole number from"):
                config_of(**{name: None})


def test_a_number_is_finite_and_positive() -> None:
    for name in ("norm_eps", "rope_theta"):
        for value in ("1e-5", False, 0, -1.0, math.nan, math.inf, 1e-300, 10**400, []):
            with pytest.raises(ModelError, match=rf"config.json: {name} is .{{1,80}}; accepted: a number from"):
                config_of(**{name: value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_kv_heads": 4}, "num_kv_heads is 4; accepted: a divisor of num_attention_heads, 9"),
        ({"num_kv_heads": 18}, "num_kv_heads is 18; accepted: a divisor of num_attention_heads, 9"),
        ({"head_dim": 7}, "head_dim is 7; accepted: an even number from 2 to 1,024"),
        ({"hidden_size": 63}, "head_dim is 7; accepted: an even number"),
        ({"hidden_size": 64}, "hidden_size is 64; accepted: a multiple of num_attention_heads, 9, where head_dim is"),
        ({"num_layers": 1_000_000}, f"num_layers is 1000000; accepted: a whole number from 1 to {MAX_LAYERS:,}"),
        ({"num_heads": 1_024, "num_kv_heads": 1, "head_dim": 1_024}, "num_attention_heads is 1024; accepted: at most"),
        ({"max_context_tokens": 1}, "max_context_tokens is 1; accepted: a whole number from 2"),
        ({"sliding_window": 0}, "sliding_window is 0; accepted: a whole number from 1"),
        ({"sliding_window": 2**32}, "sliding_window is 4294967296; accepted"),
        ({"ties_embeddings": "yes"}, "ties_embeddings is 'yes'; accepted: true or false"),
        ({"has_qkv_bias": 1}, "has_qkv_bias is 1; accepted: true or false"),
        (ROPE | {"rope_factor": 0}, "rope_factor is 0; accepted: a number from"),
        (ROPE | {"rope_low_freq_factor": 4}, "rope_high_freq_factor is 4.0; accepted: a number above"),
        (ROPE | {"rope_high_freq_factor": math.inf}, "rope_high_freq_factor is inf; accepted: a number from"),
        (ROPE | {"rope_original_context_tokens": 1.5}, "rope_original_context_tokens is 1.5; accepted: a whole"),
        (ROPE | {"rope_low_freq_factor": None}, "rope_low_freq_factor is missing; accepted: a number"),
    ],
)
def test_what_cannot_be_computed_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        config_of(**changes)


def test_an_error_is_short_whatever_the_value() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, "x" * 10**6, [10**5000] * 10**5, {"a" * 10**5: 1}):
        with pytest.raises(ModelError) as error:
            config_of(hidden_size=value)
        assert len(str(error.value)) < 400
    while deep:  # Python would free it by recursion
        deep = deep.pop()  # type: ignore[assignment]
