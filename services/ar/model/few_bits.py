"""Rounds the weights of a checkpoint of floats to 4 bits, and to more where 4 lose too much."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from services.ar.model.checkpoint import Checkpoint
from services.ar.model.quantised import (
    GROUP,
    NIBBLES,
    Kind,
    QuantisedTensor,
    Weights,
    as_tensor,
    format_of,
    in_eight_bits,
    in_nibbles,
    pieces,
    rows_of,
)

_SHRINKAGES = (0.92, 0.84, 0.76)
"""Smaller shares of a group's range that its steps may span: cutting off the rest may make the error smaller."""
_MAX_ERROR = 0.085
"""Root of the mean squared error, relative to the weights': Q4_1 on normally distributed weights has 0.075 to 0.08."""
_ROWS_AT_ONCE = 256  # so that a pass over them stays in the caches
_Rounded = tuple[Tensor, ...]
"""Steps [32, groups], scales [groups] and minima [groups]."""
_IN_EIGHT_BITS = ("model.embed_tokens.", "lm_head.")
"""As in llama.cpp's files of 4 bits: errors of these come into every token, and are not averaged by a next layer."""


def in_four_bits(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint with its matrices in 4 bits, those that lose too much in 5, embedding and head in 8."""

    def read_tensors() -> Iterator[tuple[str, Weights]]:
        for name, weights in checkpoint.read_tensors():
            yield name, _rounded(name, weights)

    return replace(checkpoint, read_tensors=read_tensors, dtype="int4")


def _rounded(name: str, weights: Weights) -> Weights:
    """Round what has more than 6 bits; a second rounding of fewer would only lose."""
    format_ = format_of(weights)
    if weights.ndim == 1 or format_ in ("int6", "int5", *NIBBLES):
        return weights
    if name.startswith(_IN_EIGHT_BITS):
        return weights if format_ == "int8" else in_eight_bits(weights)
    found = few_bits(weights, "int4")
    return found if relative_error(found, weights) <= _MAX_ERROR else few_bits(weights, "int5")


def relative_error(found: QuantisedTensor, weights: Weights) -> float:
    """Return the root of the mean squared error, relative to that of the weights [outputs, inputs]."""
    error = size = torch.zeros((), dtype=torch.float64)
    for bounds in pieces(weights.shape):
        values = as_tensor(rows_of(weights, *bounds)).float()
        difference = as_tensor(rows_of(found, *bounds))[:, : values.shape[1]] - values
        error, size = error + difference.norm().double().square(), size + values.norm().double().square()
    return float((error / size.clamp(min=1e-60)).sqrt())


def few_bits(weights: Weights, kind: Kind) -> QuantisedTensor:
    """Round weights [outputs, inputs] to "int4" or "int5"; inputs are filled up with 0 to a multiple of 32."""
    most = 2 ** int(kind.removeprefix("int")) - 1
    steps, scales, minima = [], [], []
    for start in range(0, weights.shape[0], _ROWS_AT_ONCE):
        rows = as_tensor(rows_of(weights, start, start + _ROWS_AT_ONCE)).float()
        rows = torch.nn.functional.pad(rows, (0, -rows.shape[1] % GROUP))
        found = _best(rows.reshape(-1, GROUP).t().contiguous(), most)
        step = found[0].to(torch.uint8).t().reshape(rows.shape)
        steps.append(in_nibbles(step) if kind == "int4" else step)
        scales.append(found[1].view(len(rows), -1))
        minima.append(found[2].view(len(rows), -1))
    return QuantisedTensor(torch.cat(steps), torch.cat(scales), torch.cat(minima), kind)


def _best(groups: Tensor, most: int) -> _Rounded:
    """Return steps, scales and minima of groups [32, groups], the best of several ranges for each group."""
    low, high = groups.amin(0), groups.amax(0)
    middle, width = (low + high) / 2, (high - low) / most
    best = _fitted(groups, width, low, most)
    least = _error(groups, best)
    for share in _SHRINKAGES:
        found = _fitted(groups, width * share, middle - width * (share * most / 2), most)
        error = _error(groups, found)
        is_better = error < least
        least = torch.minimum(error, least)
        best = tuple(torch.where(is_better, new, old) for new, old in zip(found, best, strict=True))
    return best


def _fitted(groups: Tensor, scales: Tensor, minima: Tensor, most: int) -> _Rounded:
    """Round to the nearest steps, then take scale and minimum of the line that fits them best (least squares)."""
    steps = ((groups - minima) / scales.clamp(min=1e-30)).round_().clamp_(0, most)
    mean_step, mean = steps.mean(0), groups.mean(0)
    spread = steps.square().mean(0) - mean_step.square()
    slopes = ((steps * groups).mean(0) - mean_step * mean) / spread.clamp(min=1e-30)
    scales = torch.where(spread > 0, slopes, scales).half()
    return steps, scales, (mean - mean_step * scales.float()).half()


def _error(groups: Tensor, rounded: _Rounded) -> Tensor:
    steps, scales, minima = rounded
    return (steps * scales.float() + minima.float() - groups).square_().sum(0)
