"""Weights of a few bits, as files hold them: whole steps with a scale, and perhaps a minimum, for each 32 inputs."""

from dataclasses import dataclass

import torch
from torch import Tensor

GROUP = 32


@dataclass(frozen=True)
class QuantisedTensor:
    """Weights [outputs, inputs]: scale * step + minimum with 4 bits, scale * step with 8."""

    steps: Tensor  # [outputs, inputs]: uint8 of 0 to 15, or int8
    scales: Tensor  # [outputs, inputs / 32] float16
    minima: Tensor | None = None  # the same; with 4 bits only

    @property
    def shape(self) -> torch.Size:
        return self.steps.shape

    @property
    def num_bits(self) -> int:
        return 8 if self.minima is None else 4

    def dequantise(self) -> Tensor:
        """Return the weights [outputs, inputs] float32."""
        steps = self.steps.unflatten(-1, (-1, GROUP)).float()
        weights: Tensor = steps * self.scales.float().unsqueeze(-1)
        if self.minima is not None:
            weights += self.minima.float().unsqueeze(-1)
        return weights.flatten(-2)


Weights = Tensor | QuantisedTensor


def as_tensor(weights: Weights) -> Tensor:
    return weights.dequantise() if isinstance(weights, QuantisedTensor) else weights


def quantise(weights: Tensor) -> QuantisedTensor:
    """Round weights [outputs, inputs] to 8 bits, llama.cpp's Q8_0; inputs are filled up with 0 to a multiple of 32."""
    weights = torch.nn.functional.pad(weights.float(), (0, -weights.shape[-1] % GROUP))
    groups = weights.unflatten(-1, (-1, GROUP))
    scales = groups.abs().amax(-1) / 127
    steps = (groups / scales.clamp(min=1e-30).unsqueeze(-1)).round()
    return QuantisedTensor(steps.to(torch.int8).flatten(-2), scales.half())
