"""Moving averages of weights, the ones to serve: a short training does not carry its random first weights along."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

Averaged = tuple[Tensor, ...] | list[Tensor]


def decay_at(decay: float, step: int) -> float:
    """Return how much of the average stays in a step: a short memory at first."""
    return min(decay, (1 + step) / (10 + step))


def average(module: torch.nn.Module, decay: float, use_buffers: bool = True) -> AveragedModel:
    """Return the moving average of a network's weights, to be updated after each step."""
    return AveragedModel(module, multi_avg_fn=_moving(decay), use_buffers=use_buffers)


def _moving(decay: float) -> Callable[[Averaged, Averaged, Tensor | int], None]:
    @torch.no_grad()
    def update(averages: Averaged, current: Averaged, step: Tensor | int) -> None:
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, current, 1 - decay_at(decay, int(step)))
        else:
            for mean, value in zip(averages, current, strict=True):
                mean.copy_(value)  # counts

    return update
