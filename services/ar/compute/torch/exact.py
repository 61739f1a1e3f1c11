"""Layers that compute a row to the same bits whatever rows are beside it: float32 on a CPU.

Two things make a row depend on its batch. A matrix product picks its kernel, and so the order of its sums, by the
number of rows; oneDNN on packed weights has one kernel from two rows on. And an elementwise function computes the
remainder of a thread's share value by value, with another exp than in vectors, at a place set by the number of rows.
"""

import torch
from torch import Tensor, nn

from tandem.shared.models import ModelError


class PackedLinear(nn.Module):
    """Computes what the `linear` it was made of computes, up to rounding; for inference only."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self._bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, "none", [], "")  # type: ignore[no-any-return]


def pack_linears(model: nn.Module) -> int:
    """Replace the linear layers of `model` for which it pays; return how many.

    In bfloat16 these are all. In float32 a narrow layer (no more outputs than inputs) gains little from eight rows on
    and loses a third for one row, so it stays.
    """
    if not can_pack(next(model.parameters())):
        return 0
    wanted = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Linear) and _pays(layer)]
    for name, layer in wanted:
        model.set_submodule(name, PackedLinear(layer))
    return len(wanted)


def can_pack(weight: Tensor) -> bool:
    """Return whether this build of torch has the operators, and this processor what they need for such a weight."""
    operators = ("_reorder_linear_weight", "_linear_pointwise", "_is_mkldnn_bf16_supported")
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if not all(hasattr(torch.ops.mkldnn, name) for name in operators):
        return False
    return weight.dtype is not torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _pays(layer: nn.Linear) -> bool:
    return layer.weight.dtype is torch.bfloat16 or layer.out_features > layer.in_features


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
