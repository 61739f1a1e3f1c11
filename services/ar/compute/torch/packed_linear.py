"""Linear layers whose weights are laid out once, in advance, for oneDNN's matrix product on a CPU.

The plain layer lays them out anew at each call. The operators are those that torch's own compiler uses for frozen
weights; where a build or a processor lacks them, layers stay as they are.
"""

import torch
from torch import Tensor, nn


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
