"""Layers of the transformer with what lies between their matrix products in one kernel each.

At one row a step is bound by the number of its kernels: in a plain layer rotation is 10 of 22, the gate 2.
"""

import triton
from torch import Tensor, nn

from services.ar.compute.cuda import kernels
from services.ar.compute.torch.transformer import GatedMlp, SelfAttention, Transformer

_VALUES_OF_A_PROGRAM = 1024


def fuse(model: Transformer) -> None:
    """Have the layers of `model` rotate queries and keys in place, and gate in one kernel."""
    for module in model.modules():
        if isinstance(module, SelfAttention):
            module.rotate = rotate_in_place
        elif isinstance(module, GatedMlp):
            module.gated = gated


def rotate_in_place(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate x [T, H, D] by its positions' angles, cos and sin [T, 1, D], and return it; see transformer.rotate."""
    num_rows, num_heads, head_dim = x.shape
    padded_half = triton.next_power_of_2(head_dim // 2)
    kernels.rotate[(num_rows, num_heads)](
        x, cos, sin, x.stride(0), HEAD_DIM=head_dim, PADDED_HALF=padded_half, num_warps=1
    )
    return x


def gated(gate_up: Tensor, activation: nn.Module) -> Tensor:
    """Return SiLU, which the activation is, of the first half of gate_up [T, 2 * W] times the second one."""
    num_rows, width = len(gate_up), gate_up.shape[1] // 2
    out = gate_up.new_empty((num_rows, width))
    grid = (num_rows, triton.cdiv(width, _VALUES_OF_A_PROGRAM))
    kernels.gate[grid](out, gate_up, width, NUM_VALUES=_VALUES_OF_A_PROGRAM)
    return out
