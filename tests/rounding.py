"""What the native kernel rounds, in torch: an oracle for weights of few bits."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.ar.compute.torch.kv_cache import visible
from services.ar.model.quantised import GROUP
from tests.causal_attention import CausalAttention

WEIGHT_STEPS = 127 * 128
"""That the largest weight of a query is divided into, where values are bytes."""


class RoundedLinear(nn.Module):
    """What the kernel computes with weights of 8 or 4 bits: activations are rounded to 8, in groups of 32.

    A text is computed as a whole: rows are its positions, and the first ones are left as they are.
    """

    def __init__(self, linear: nn.Linear, fine_positions: int) -> None:
        super().__init__()
        self.linear = linear
        self._fine_positions = fine_positions

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(torch.cat([x[: self._fine_positions], in_bytes(x[self._fine_positions :])]))


def in_bytes(x: Tensor, group: int = GROUP, scale_dtype: torch.dtype = torch.float32) -> Tensor:
    """Return x rounded to 127 steps of the largest of each `group` along the last axis."""
    groups = functional.pad(x, (0, -x.shape[-1] % group)).unflatten(-1, (-1, group))
    most = groups.abs().amax(-1, keepdim=True)
    steps = (groups * (127 / most)).nan_to_num().round()
    return (steps * (most / 127).to(scale_dtype).float()).flatten(-2)[..., : x.shape[-1]]


class HalfCacheAttention(CausalAttention):
    """Attends to keys and values as a cache of float16 holds them."""

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return super().__call__(layer, query, key.half().float(), value.half().float())


def rotated(x: Tensor) -> Tensor:
    """Return x [..., D], filled up to whole groups, each of which is multiplied with a Hadamard matrix."""
    matrix = torch.ones(1, 1)
    while len(matrix) < GROUP:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    groups = functional.pad(x, (0, -x.shape[-1] % GROUP)).unflatten(-1, (-1, GROUP))
    return (groups @ matrix).flatten(-2)


class ByteCacheAttention:
    """Causal attention over one whole sequence [T] as the kernel computes it in bytes; implements `model.Attention`.

    A sequence is no longer than the kernel's stretch of 512 positions.
    """

    def __init__(self, sliding_window: int | None = None) -> None:
        self._window = sliding_window

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        num_tokens, num_heads, head_dim = query.shape
        query, key = in_bytes(rotated(query * head_dim**-0.5) / GROUP), in_bytes(rotated(key), GROUP, torch.float16)
        most = value.abs().amax(-1, keepdim=True)
        value, scales = (value * (127 / most)).round(), (most / 127).half().float()  # [T, H_kv, D], [T, H_kv, 1]
        key, value, scales = (x.repeat_interleave(num_heads // x.shape[1], dim=1) for x in (key, value, scales))
        scores = torch.einsum("thd,shd->hts", query, key)
        seen = visible(0, num_tokens, num_tokens, self._window or num_tokens)
        scores = scores.masked_fill(~seen, -torch.inf)
        weights = (scores - scores.amax(-1, keepdim=True)).exp()  # [H, T, T]
        scaled = weights * scales[..., 0].T.unsqueeze(1)
        largest = scaled.amax(-1, keepdim=True)
        steps = (scaled * (WEIGHT_STEPS / largest)).round()
        factors = largest / WEIGHT_STEPS / weights.sum(-1, keepdim=True)  # [H, T, 1]
        return torch.einsum("hts,shd->thd", steps, value) * factors.transpose(0, 1)


def round_activations(model: nn.Module, fine_positions: int = 0) -> None:
    """Have all linear layers of `model` round what comes in, from a position on."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear):
            model.set_submodule(name, RoundedLinear(layer, fine_positions))
