"""Rounds the weights of a checkpoint of floats to 4 bits, and to more where 4 lose too much."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from services.ar.model.arrays import Array, pad
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.quantised import (
    GROUP,
    NIBBLES,
    Kind,
    QuantisedTensor,
    Weights,
    as_array,
    format_of,
    pack_nibbles,
    pieces,
    round_to_eight_bits,
    rows_of,
)

_SHRINKAGES = (0.92, 0.84, 0.76)
"""Smaller shares of a group's range that its steps may span: cutting off the rest may make the error smaller."""
_MAX_ERROR = 0.085
"""Root of the mean squared error, relative to the weights': Q4_1 on normally distributed weights has 0.075 to 0.08."""
_LEAST = np.float32(1e-30)
_Rounded = tuple[Array, ...]
"""Steps [32, groups], scales [groups] and minima [groups]."""
_IN_EIGHT_BITS = ("model.embed_tokens.", "lm_head.")
"""As in llama.cpp's files of 4 bits: errors of these come into every token, and are not averaged by a next layer."""


def round_to_four_bits(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint with its matrices in 4 bits, those that lose too much in 5, embedding and head in 8."""

    def read_tensors() -> Iterator[tuple[str, Weights]]:
        for name, weights in checkpoint.read_tensors():
            yield name, _round(name, weights)

    return replace(checkpoint, read_tensors=read_tensors, dtype="int4")


def _round(name: str, weights: Weights) -> Weights:
    """Round what has more than 6 bits; a second rounding of fewer would only lose."""
    format_ = format_of(weights)
    if len(weights.shape) == 1 or format_ in ("int6", "int5", *NIBBLES):
        return weights
    if name.startswith(_IN_EIGHT_BITS):
        return weights if format_ == "int8" else round_to_eight_bits(weights)
    found = round_weights(weights, "int4")
    return found if relative_error(found, weights) <= _MAX_ERROR else round_weights(weights, "int5")


def relative_error(found: QuantisedTensor, weights: Weights) -> float:
    """Return the root of the mean squared error, relative to that of the weights [outputs, inputs]."""
    error = size = 0.0
    for bounds in pieces(weights.shape):
        values = as_array(rows_of(weights, *bounds)).astype(np.float32)
        difference = as_array(rows_of(found, *bounds))[:, : values.shape[1]] - values
        error += float(np.square(difference).sum(dtype=np.float64))
        size += float(np.square(values).sum(dtype=np.float64))
    return math.sqrt(error / max(size, 1e-60))


def round_weights(weights: Weights, kind: Kind) -> QuantisedTensor:
    """Round weights [outputs, inputs] to "int4" or "int5"; inputs are filled up with 0 to a multiple of 32."""
    most = 2 ** int(kind.removeprefix("int")) - 1
    num_outputs, num_groups = weights.shape[0], -(-weights.shape[1] // GROUP)
    steps = np.empty((num_outputs, num_groups * (GROUP // 2 if kind in NIBBLES else GROUP)), np.uint8)
    scales, minima = (np.empty((num_outputs, num_groups), np.float16) for _ in range(2))
    for start, stop in pieces(weights.shape):
        rows = pad(as_array(rows_of(weights, start, stop)).astype(np.float32), GROUP)
        with np.errstate(all="ignore"):  # what is not finite stays so, by its scale
            found = _best(np.ascontiguousarray(rows.reshape(-1, GROUP).T), most)
            step = found[0].astype(np.uint8).T.reshape(rows.shape)
        steps[start:stop] = pack_nibbles(step) if kind in NIBBLES else step
        scales[start:stop] = found[1].reshape(len(rows), -1)
        minima[start:stop] = found[2].reshape(len(rows), -1)
    return QuantisedTensor(steps, scales, minima, kind)


def _best(groups: Array, most: int) -> _Rounded:
    """Return steps, scales and minima of groups [32, groups], the best of several ranges for each group."""
    low, high = groups.min(0), groups.max(0)
    middle, width = (low + high) / 2, (high - low) / most
    best = _fit(groups, width, low, most)
    least = _error(groups, best)
    for share in _SHRINKAGES:
        found = _fit(groups, width * share, middle - width * (share * most / 2), most)
        error = _error(groups, found)
        is_better = error < least
        least = np.minimum(error, least)
        best = tuple(np.where(is_better, new, old) for new, old in zip(found, best, strict=True))
    return best


def _fit(groups: Array, scales: Array, minima: Array, most: int) -> _Rounded:
    """Round to the nearest steps, then take scale and minimum of the line that fits them best (least squares)."""
    steps = (groups - minima) / np.maximum(scales, _LEAST)
    np.clip(np.rint(steps, out=steps), 0, most, out=steps)
    mean_step, mean = steps.mean(0), groups.mean(0)
    spread = np.square(steps).mean(0) - mean_step**2
    slopes = ((steps * groups).mean(0) - mean_step * mean) / np.maximum(spread, _LEAST)
    scales = np.where(spread > 0, slopes, scales).astype(np.float16)
    return steps, scales, (mean - mean_step * scales.astype(np.float32)).astype(np.float16)


def _error(groups: Array, rounded: _Rounded) -> Array:
    steps, scales, minima = rounded
    error = steps * scales.astype(np.float32) + minima.astype(np.float32) - groups
    return np.square(error, out=error).sum(0)  # type: ignore[no-any-return]
