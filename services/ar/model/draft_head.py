"""The draft head of a text model: a file beside its weights, from which tokens behind the next are predicted.

A state begins as the model's last hidden state, normalised. For each token, state += down(silu(gate) * up), where gate
and up are products with the state and the embedding of the token before, both normalised; the prediction is the best of
`token_ids` by the model's own output matrix. What it predicts is checked, so it decides no output.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.ar.model.arrays import Array, Shape
from services.ar.model.config import MAX_INTERMEDIATE_SIZE, ModelConfig
from services.ar.model.huggingface.safetensors_files import stored_tensors
from services.ar.model.quantised import Weights, as_array
from tandem.shared.models import ModelError

_TOKEN_IDS = "token_ids"  # noqa: S105


@dataclass(frozen=True)
class DraftHead:
    """Weights of a head of width W, for a model of hidden size H."""

    hidden_norm: Array
    """[H]."""
    token_norm: Array
    """[H]."""
    gate: Weights
    """[W, 2 H], of the state and then the token's embedding."""
    up: Weights
    """[W, 2 H]."""
    down: Weights
    """[H, W]."""
    token_ids: Array
    """int32, ascending."""


def read_draft_head(path: Path, config: ModelConfig) -> DraftHead:
    """Return the draft head in a file. Raises ModelError if it does not fit the model."""
    stored = stored_tensors([path], {_TOKEN_IDS: ("I32",)})
    size, width = config.hidden_size, stored["down.weight"].shape[-1] if "down.weight" in stored else 0
    num_tokens = stored[_TOKEN_IDS].shape[0] if _TOKEN_IDS in stored else 0
    expected: dict[str, Shape] = {
        "hidden_norm.weight": (size,),
        "token_norm.weight": (size,),
        "gate_up.weight": (2 * width, 2 * size),
        "down.weight": (size, width),
        _TOKEN_IDS: (num_tokens,),
    }
    found = {name: tensor.shape for name, tensor in stored.items()}
    if found != expected or not 1 <= width <= MAX_INTERMEDIATE_SIZE or not 1 <= num_tokens <= config.vocab_size:
        raise ModelError(f"{path}: holds {found}; accepted, for this model: {expected}")
    weights = {name: as_array(tensor.weights()) for name, tensor in stored.items()}
    token_ids = weights[_TOKEN_IDS]
    if np.any(np.diff(token_ids) <= 0) or not 0 <= token_ids[0] <= token_ids[-1] < config.vocab_size:
        raise ModelError(f"{path}: token_ids: accepted: 0 to {config.vocab_size - 1}, ascending")
    gate, up = np.split(weights["gate_up.weight"], 2)
    norms = weights["hidden_norm.weight"], weights["token_norm.weight"]
    return DraftHead(*norms, gate, up, weights["down.weight"], token_ids)
