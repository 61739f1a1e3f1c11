"""The rotary positions that a GGUF file asks for, in its metadata and in tensors, under the names of `config_check`."""

import math

import numpy as np

from services.ar.model.fields import Fields, shortened
from services.ar.model.gguf.file import GgufFile
from services.ar.model.gguf.tensor import GgufTensor
from services.ar.model.gguf.types import TensorType
from tandem.shared.models import ModelError

TENSORS = {
    "rope_freqs.weight": "rope_factors",  # Llama 3
    "rope_factors_short.weight": "rope_short_factors",  # Phi-3 with long contexts
    "rope_factors_long.weight": "rope_long_factors",
}
"""Tensors of factors, which are no weights, and the fields that they are."""
_KINDS = ("none", "linear", "longrope")


def rope_fields(file: GgufFile, architecture: str) -> tuple[dict[str, object], dict[str, str]]:
    """Return the fields' values and what the file calls them. Raises ModelError if the kind is not supported."""
    prefix = f"{architecture}.rope.scaling"
    kind = file.values.get(f"{prefix}.type", "none")
    if kind not in _KINDS:
        raise ModelError(
            f"{file.path}: {prefix}.type is {shortened(kind)}; accepted: {', '.join(map(repr, _KINDS))}; a file of the "
            "same model without longer contexts would fit"
        )
    found = {TENSORS[tensor.name]: _numbers(file, tensor) for tensor in file.tensors if tensor.name in TENSORS}
    values: dict[str, object] = dict(found)
    keys = {field: name for name, field in TENSORS.items()}
    if "rope_short_factors" in values or "rope_long_factors" in values:
        for field, key in (
            ("rope_original_context_tokens", "original_context_length"),
            ("rope_attention_factor", "attn_factor"),
        ):
            values[field], keys[field] = file.values.get(f"{prefix}.{key}"), f"{prefix}.{key}"
    elif kind == "linear":
        values["rope_linear_factor"], keys["rope_linear_factor"] = (
            _linear_factor(file, architecture),
            f"{prefix}.factor",
        )
    return values, keys


def _linear_factor(file: GgufFile, architecture: str) -> object:
    """Return the factor of linear scaling; 1 where a file names the kind without one."""
    value = file.values.get(f"{architecture}.rope.scaling.factor", file.values.get(f"{architecture}.rope.scale_linear"))
    return 1.0 if value is None or value == 0 else value


def _numbers(file: GgufFile, tensor: GgufTensor) -> list[float]:
    if tensor.type != TensorType.F32 or len(tensor.shape) != 1:
        raise Fields(file.path, {}).error(tensor.name, tensor.type.name, "a vector of type F32")
    values = np.ascontiguousarray(tensor.data).view(np.float32)
    return [float(value) if math.isfinite(value) else math.nan for value in values]
