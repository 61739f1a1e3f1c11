"""What a config.json may state of packed weights, and what is refused by key and value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.ar.model.huggingface.packed.scheme import Scheme, scheme_of
from tandem.shared.models import ModelError

FILE = Path("config.json")
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True, "sym": True}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}
WEIGHTS = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 128, "actorder": None}
GROUP = {"targets": ["Linear"], "weights": WEIGHTS, "input_activations": None, "output_activations": None}
COMPRESSED = {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"group_0": GROUP}}


def compressed(**changes: Any) -> dict[str, Any]:
    """Return a configuration whose `weights` differ by these."""
    return COMPRESSED | {"config_groups": {"group_0": GROUP | {"weights": WEIGHTS | changes}}}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (GPTQ, Scheme("gptq", 4, is_symmetric=False, zero_offset=1)),
        (GPTQ | {"checkpoint_format": "gptq_v2", "bits": 8}, Scheme("gptq", 8, is_symmetric=False)),
        (GPTQ | {"group_size": -1}, Scheme("gptq", 4, is_symmetric=False, zero_offset=1)),
        (AWQ, Scheme("awq", 4, is_symmetric=False)),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": 64}, Scheme("awq", 4, is_symmetric=False)),
        (COMPRESSED, Scheme("compressed", 4, is_symmetric=True)),
        (compressed(num_bits=8, strategy="channel"), Scheme("compressed", 8, is_symmetric=True)),
        (compressed(symmetric=False), Scheme("compressed", 4, is_symmetric=False)),
    ],
)
def test_what_is_read(stated: dict[str, Any], expected: Scheme) -> None:
    assert scheme_of(FILE, {"quantization_config": stated}) == expected
    assert scheme_of(FILE, {"compression_config": stated}) == expected


def test_a_checkpoint_of_floats_has_none() -> None:
    assert scheme_of(FILE, {}) is None
    assert scheme_of(FILE, {"quantization_config": None}) is None


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("gptq", "quantization_config is 'gptq'; accepted: an object"),
        (
            {"quant_method": "bitsandbytes"},
            "quant_method 'bitsandbytes' is not supported; accepted: compressed-tensors",
        ),
        ({}, "quant_method None is not supported"),
        (GPTQ | {"bits": 3}, "the number of bits 3 is not supported"),
        (GPTQ | {"bits": True}, "the number of bits True is not supported"),
        (GPTQ | {"checkpoint_format": "marlin"}, "checkpoint_format 'marlin' is not supported"),
        (GPTQ | {"group_size": "128"}, "group_size is '128'; accepted: a whole number from -1"),
        (AWQ | {"bits": 8}, "the number of bits 8 is not supported"),
        (AWQ | {"version": "gemv"}, "version 'gemv' is not supported"),
        (AWQ | {"version": 5}, "version 5 is not supported"),
        (AWQ | {"zero_point": False}, "zero_point False is not supported"),
        (COMPRESSED | {"format": "float-quantized"}, "format 'float-quantized' is not supported"),
        (COMPRESSED | {"kv_cache_scheme": {"num_bits": 8}}, "kv_cache_scheme {'num_bits': 8} is not supported"),
        (COMPRESSED | {"config_groups": {}}, "config_groups {} is not supported"),
        (COMPRESSED | {"config_groups": [1]}, r"config_groups \[1\] is not supported"),
        (compressed(type="float"), "weights.type 'float' is not supported"),
        (compressed(strategy="tensor"), "weights.strategy 'tensor' is not supported"),
        (compressed(symmetric=None), "weights.symmetric None is not supported"),
        (compressed(num_bits=[4]), r"the number of bits \[4\] is not supported"),
        (
            COMPRESSED | {"config_groups": {"group_0": GROUP | {"input_activations": {"num_bits": 8}}}},
            "input_activations {'num_bits': 8} is not supported",
        ),
        (COMPRESSED | {"config_groups": {"group_0": GROUP | {"weights": None}}}, "weights None is not supported"),
        (
            COMPRESSED | {"config_groups": {"a": GROUP, "b": GROUP | {"weights": WEIGHTS | {"num_bits": 8}}}},
            "config_groups: 2 different ones; accepted: one scheme",
        ),
    ],
)
def test_what_is_refused(stated: Any, message: str) -> None:
    with pytest.raises(ModelError, match=f"config.json: quantization_config.*{message}|config.json: {message}"):
        scheme_of(FILE, {"quantization_config": stated})
