"""The rotary positions that a config.json asks for, under the names of `config_check`; raises ModelError for others."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.ar.model.fields import Fields, shortened
from tandem.shared.models import ModelError

_LLAMA3_KEYS = {
    "rope_factor": "factor",
    "rope_low_freq_factor": "low_freq_factor",
    "rope_high_freq_factor": "high_freq_factor",
    "rope_original_context_tokens": "original_max_position_embeddings",
}
_LONG_KEYS = {"rope_short_factors": "short_factor", "rope_long_factors": "long_factor"}
_KINDS = ("default", "linear", "llama3", "longrope")
_Found = tuple[dict[str, object], dict[str, str]]
"""Values by field, and what the file calls the fields."""


def rope_fields(file: Path, raw: Mapping[str, Any]) -> _Found:
    """Return the rotary fields' values and keys, from where this version of the format has them."""
    name = next((name for name in ("rope_parameters", "rope_scaling") if raw.get(name) is not None), "rope_parameters")
    rope = _object(file, name, raw.get(name))
    if "full_attention" not in rope:
        return _of_layers(file, raw, name, rope, raw.get("rope_theta"))
    local = _object(file, f"{name}.sliding_attention", rope.get("sliding_attention"))
    if _kind(file, f"{name}.sliding_attention", local) != "default":
        raise ModelError(f"{file}: {name}.sliding_attention: only rope_type 'default' is supported")
    whole = f"{name}.full_attention"
    values, keys = _of_layers(file, raw, whole, _object(file, whole, rope["full_attention"]), None)
    values["local_rope_theta"] = local.get("rope_theta")
    return values, keys | {"local_rope_theta": f"{name}.sliding_attention.rope_theta"}


def _object(file: Path, name: str, value: object) -> Mapping[str, Any]:
    value = {} if value is None else value
    if not isinstance(value, dict):
        raise ModelError(f"{file}: {name} is {shortened(value)}; accepted: an object")
    return value


def _of_layers(file: Path, raw: Mapping[str, Any], name: str, rope: Mapping[str, Any], theta: object) -> _Found:
    if (share := rope.get("partial_rotary_factor", raw.get("partial_rotary_factor"))) not in (None, 1):
        raise ModelError(f"{file}: partial_rotary_factor {shortened(share)} is not supported; 1 is")
    has_own_theta = rope.get("rope_theta") is not None
    values: dict[str, object] = {"rope_theta": rope["rope_theta"] if has_own_theta else theta}
    keys = {"rope_theta": f"{name}.rope_theta" if has_own_theta else "rope_theta"}
    match _kind(file, name, rope):
        case "linear":
            found = {"rope_linear_factor": "factor"}
        case "llama3":
            found = _LLAMA3_KEYS
        case "longrope":
            values |= _long(raw, rope)
            found = _LONG_KEYS
        case _:
            return values, keys
    values |= {field: rope.get(key) for field, key in found.items()}
    keys |= {field: f"{name}.{key}" for field, key in found.items()}
    first = next(iter(found))
    if values[first] is None:
        raise Fields(file, values, keys).error(first, None, "a number" if "factors" not in first else "numbers")
    return values, keys


def _kind(file: Path, name: str, rope: Mapping[str, Any]) -> str:
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind not in _KINDS:
        accepted = ", ".join(map(repr, _KINDS))
        raise ModelError(f"{file}: {name}: rope scaling {shortened(kind)} is not supported; {accepted} are")
    return str(kind)


def _long(raw: Mapping[str, Any], rope: Mapping[str, Any]) -> dict[str, object]:
    """Return LongRoPE's original context and the factor of queries and keys, which the paper derives from it."""
    original = rope.get("original_max_position_embeddings") or raw.get("original_max_position_embeddings")
    longest, factor = raw.get("max_position_embeddings"), rope.get("attention_factor")
    if factor is None and isinstance(original, int) and isinstance(longest, int) and 1 < original < longest:
        factor = math.sqrt(1 + math.log(longest / original) / math.log(original))
    return {"rope_original_context_tokens": original, "rope_attention_factor": factor}
