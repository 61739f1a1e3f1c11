"""Checkpoints whose weights are changed on the way in: models that compute what no trained model should."""

from collections.abc import Callable
from dataclasses import replace

from services.ar.model.arrays import Array
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.quantised import Weights, as_array

Change = Callable[[str, Array], Array]


def changed(checkpoint: Checkpoint, change: Change) -> Checkpoint:
    """Return the checkpoint with `change(name, weights)` in place of each tensor."""
    tensors = [(name, change(name, as_array(weights).copy())) for name, weights in checkpoint.read_tensors()]
    read: list[tuple[str, Weights]] = list(tensors)
    return replace(checkpoint, read_tensors=lambda: iter(read))


def with_large_keys_and_values(checkpoint: Checkpoint) -> Checkpoint:
    """Return a model whose keys and values are far beyond float16, but not float32."""

    def enlarge(name: str, weights: Array) -> Array:
        return weights * 3e4 if "k_proj" in name or "v_proj" in name else weights

    return changed(checkpoint, enlarge)


def with_bad_token(checkpoint: Checkpoint, token_id: int, value: float) -> Checkpoint:
    """Return a model for which one token means `value` throughout: NaN or infinity. Its embedding must not be tied."""

    def spoil(name: str, weights: Array) -> Array:
        if "embed_tokens" in name:
            weights[token_id] = value
        return weights

    return changed(checkpoint, spoil)


def with_bad_weights(checkpoint: Checkpoint, part: str, value: float) -> Checkpoint:
    """Return a model in whose tensors with `part` in their name the first of the outputs is `value` throughout."""

    def spoil(name: str, weights: Array) -> Array:
        if part in name:
            weights[0] = value
        return weights

    return changed(checkpoint, spoil)
