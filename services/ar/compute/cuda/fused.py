"""Layers of the transformer with what lies between their matrix products in one kernel each.

At one row a step is bound by the number of its kernels: in a plain layer rotation is 10 of 22, the gate 2.
"""

import triton
from torch import Tensor, nn

from services.ar.compute.cuda import kernels
from services.ar.compute.torch.transformer import Attention, GatedMlp, SelfAttention, Transformer

_VALUES_OF_A_PROGRAM = 1024


class FusedSelfAttention(nn.Module):
    """`SelfAttention` that rotates queries and keys in place."""

    def __init__(self, plain: SelfAttention) -> None:
        super().__init__()
        self.layer, self.head_dim, self.sizes = plain.layer, plain.head_dim, plain.sizes
        self.qkv, self.out = plain.qkv, plain.out
        self.query_norm, self.key_norm = plain.query_norm, plain.key_norm

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attention: Attention) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (-1, self.head_dim))  # [T, H, D]
            for part in self.qkv(x).split(self.sizes, dim=-1)
        )
        query, key = self.query_norm(query), self.key_norm(key)
        rotate_in_place(query, cos, sin)
        rotate_in_place(key, cos, sin)
        return self.out(attention(self.layer, query, key, value).flatten(-2))  # type: ignore[no-any-return]


class FusedMlp(nn.Module):
    """`GatedMlp` with the gate in one kernel."""

    def __init__(self, plain: GatedMlp) -> None:
        super().__init__()
        self.gate_up, self.down = plain.gate_up, plain.down

    def forward(self, x: Tensor) -> Tensor:
        return self.down(gated(self.gate_up(x)))  # type: ignore[no-any-return]


def fuse(model: Transformer) -> None:
    """Replace the layers of `model` by fused ones, which have the same parts."""
    for name, module in list(model.named_modules()):
        if isinstance(module, SelfAttention):
            model.set_submodule(name, FusedSelfAttention(module))
        elif isinstance(module, GatedMlp):
            model.set_submodule(name, FusedMlp(module))


def rotate_in_place(x: Tensor, cos: Tensor, sin: Tensor) -> None:
    """Rotate x [T, H, D] by its positions' angles, cos and sin [T, 1, D]; see rotary.rotate."""
    num_rows, num_heads, head_dim = x.shape
    padded_half = triton.next_power_of_2(head_dim // 2)
    kernels.rotate[(num_rows, num_heads)](
        x, cos, sin, x.stride(0), HEAD_DIM=head_dim, PADDED_HALF=padded_half, num_warps=1
    )


def gated(gate_up: Tensor) -> Tensor:
    """Return SiLU of the first half of gate_up [T, 2 * W] times the second one."""
    num_rows, width = len(gate_up), gate_up.shape[1] // 2
    out = gate_up.new_empty((num_rows, width))
    grid = (num_rows, triton.cdiv(width, _VALUES_OF_A_PROGRAM))
    kernels.gate[grid](out, gate_up, width, NUM_VALUES=_VALUES_OF_A_PROGRAM)
    return out
