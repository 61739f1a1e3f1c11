"""Layers that compute a row to the same bits whatever rows are beside it: float32 on a CPU.

Two things make a row depend on its batch. A matrix product picks its kernel, and so the order of its sums, by the
number of rows; oneDNN on packed weights has one kernel from two rows on. And an elementwise function computes the
remainder of a thread's share value by value, with another exp than in vectors, at a place set by the number of rows.
"""

import torch
from torch import Tensor, nn

from services.ar.compute.torch.packed_linear import PackedLinear, can_pack
from tandem.shared.models import ModelError

PREFILL_CHUNK_TOKENS = 128
"""Prompts are cut at the multiples of this, so that a cut does not depend on other requests."""

_VALUES_FOR_ONE_THREAD = 32_767


class ExactLinear(PackedLinear):
    """A packed layer that sees at least two rows."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if len(x) > 1 else super().forward(x.repeat(2, 1))[:1]


class ExactActivation(nn.Module):
    """An elementwise function of [T, W] in pieces too small to be shared among threads."""

    def __init__(self, function: nn.Module) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        pieces = x.split(max(1, _VALUES_FOR_ONE_THREAD // x.shape[-1]))
        return torch.cat([self.function(piece) for piece in pieces])


def can_be_exact(model: nn.Module) -> bool:
    weight = next(model.parameters())
    return weight.dtype is torch.float32 and can_pack(weight)


def make_exact(model: nn.Module) -> None:
    """Replace the layers of `model` that are not exact. Raises ModelError unless `can_be_exact`."""
    if not can_be_exact(model):
        weight = next(model.parameters())
        raise ModelError(f"exact: needs float32 on a CPU with oneDNN, not {weight.dtype} on {weight.device}")
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear):
            model.set_submodule(name, ExactLinear(layer))
        elif isinstance(layer, nn.SiLU | nn.GELU):
            model.set_submodule(name, ExactActivation(layer))
