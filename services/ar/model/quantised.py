"""Weights of a few bits, as files hold them: steps, with a scale and perhaps a minimum a group of inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

GROUP = 32
Kind = Literal["int8", "int6", "int5", "int4", "iq4_nl"]

IQ4_NL_VALUES = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
"""What the 16 steps of llama.cpp's IQ4_NL stand for."""


@dataclass(frozen=True)
class QuantisedTensor:
    """Weights [outputs, inputs]: scale * step, plus a minimum where there is one; of iq4_nl scale * value of step."""

    steps: Tensor
    """[outputs, inputs]: int8 for int8, and from -32 to 31 for int6; uint8 of as many bits as the kind says else."""
    scales: Tensor
    """[outputs, inputs / 32] float16; for int6 [outputs, inputs / 16]."""
    minima: Tensor | None = None
    """Of int4 and int5, as the scales."""
    kind: Kind = "int8"

    @property
    def shape(self) -> torch.Size:
        return self.steps.shape

    @property
    def ndim(self) -> int:
        return self.steps.ndim

    def dequantise(self) -> Tensor:
        """Return the weights [outputs, inputs] float32."""
        steps = self.steps
        if self.kind == "iq4_nl":
            steps = torch.tensor(IQ4_NL_VALUES, dtype=torch.int8)[steps.int()]
        group = 16 if self.kind == "int6" else GROUP
        weights: Tensor = steps.unflatten(-1, (-1, group)).float() * self.scales.float().unsqueeze(-1)
        if self.minima is not None:
            weights += self.minima.float().unsqueeze(-1)
        return weights.flatten(-2)

    def rearranged(self, change: Callable[[Tensor], Tensor]) -> "QuantisedTensor":
        """Return the tensor with its rows as `change` picks or orders those of a tensor [outputs, n]."""
        minima = None if self.minima is None else change(self.minima)
        return QuantisedTensor(change(self.steps), change(self.scales), minima, self.kind)


Weights = Tensor | QuantisedTensor


def as_tensor(weights: Weights) -> Tensor:
    return weights.dequantise() if isinstance(weights, QuantisedTensor) else weights


def rearranged(weights: Weights, change: Callable[[Tensor], Tensor]) -> Weights:
    """Return weights with their rows as `change` picks or orders them."""
    return weights.rearranged(change) if isinstance(weights, QuantisedTensor) else change(weights)


def rows_of(weights: Weights, start: int, stop: int) -> Weights:
    """Return rows `start` to `stop`, exclusive."""
    return rearranged(weights, lambda rows: rows[start:stop])


def quantise(weights: Tensor) -> QuantisedTensor:
    """Round weights [outputs, inputs] to 8 bits, llama.cpp's Q8_0; inputs are filled up with 0 to a multiple of 32."""
    weights = torch.nn.functional.pad(weights.float(), (0, -weights.shape[-1] % GROUP))
    groups = weights.unflatten(-1, (-1, GROUP))
    scales = groups.abs().amax(-1) / 127
    steps = (groups / scales.clamp(min=1e-30).unsqueeze(-1)).round()
    return QuantisedTensor(steps.to(torch.int8).flatten(-2), scales.half())
