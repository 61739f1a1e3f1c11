"""A checkpoint's tensors under the names and with the meaning that they have in a Llama, whatever its family."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from services.ar.model.arrays import Shape
from services.ar.model.config import ModelConfig
from services.ar.model.huggingface.packed import Scheme, weight_shapes, weights_of
from services.ar.model.quantised import StoredTensor, Weights, as_array
from services.ar.model.tensor_check import expected_shapes, split, split_shapes
from tandem.shared.models import ModelError

# Gemma 3 calls the norm of what attention gives as a Llama calls the one before the MLP.
_GEMMA3_NORMS = {
    "post_attention_layernorm": "attention_output_norm",
    "pre_feedforward_layernorm": "post_attention_layernorm",
    "post_feedforward_layernorm": "mlp_output_norm",
}


def llama_shapes(
    folder: Path, tensors: Mapping[str, StoredTensor], family: str, config: ModelConfig, scheme: Scheme | None
) -> Mapping[str, Shape]:
    """Return the shape of each tensor by a Llama's names; matrices may be packed by a `scheme`. Raises ModelError."""
    if scheme is None:
        stored = {name: tensor.shape for name, tensor in tensors.items()}
    else:
        stored = weight_shapes(folder, tensors, scheme)
    shapes = {_name(name, family): shape for name, shape in stored.items()}
    return {
        name: shape
        for name, shape in split_shapes(folder, config, shapes).items()
        if scheme is None or not _is_extra_bias(name, config)
    }


def llama_tensors(
    tensors: Mapping[str, StoredTensor], family: str, config: ModelConfig, scheme: Scheme | None
) -> Iterator[tuple[str, Weights]]:
    """Yield each tensor by a Llama's name. Raises ModelError."""
    whole = ((name, tensor.weights()) for name, tensor in tensors.items())
    for stored_name, stored in whole if scheme is None else weights_of(tensors, scheme):
        for name, weights in split(config, _name(stored_name, family), _meaning(stored_name, stored, family)):
            if scheme is None or not _is_extra_bias(name, config):
                yield name, weights
            elif as_array(weights).any():
                raise ModelError(f"{name} is not 0; the config's model has no such bias")


def _is_extra_bias(name: str, config: ModelConfig) -> bool:
    """Return whether it is a bias that the model has not: AutoGPTQ gives every matrix one, of zeros."""
    return name.endswith(".bias") and name not in expected_shapes(config)


def _name(name: str, family: str) -> str:
    parts = name.split(".")
    renamed = (_GEMMA3_NORMS.get(part, part) for part in parts) if family == "gemma3" else parts
    return ".".join(renamed)


def _meaning(name: str, weights: Weights, family: str) -> Weights:
    """A norm of Gemma 3 multiplies by 1 + what is stored."""
    is_from_one = family == "gemma3" and name.endswith("norm.weight")
    return as_array(weights).astype(np.float32) + 1 if is_from_one else weights
