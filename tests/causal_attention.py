"""Attention as the textbook has it, which caches and kernels are compared with."""

from torch import Tensor
from torch.nn import functional

from services.ar.compute.torch.kv_cache import visible


class CausalAttention:
    """Plain causal attention over one whole sequence [T], without a cache; implements `model.Attention`."""

    def __init__(self, sliding_window: int | None = None) -> None:
        self._window = sliding_window

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        length = len(query)
        mask = None if self._window is None else visible(0, length, length, self._window).to(query.device)
        query, key, value = (x.transpose(0, 1).unsqueeze(0) for x in (query, key, value))  # [1, H, T, D]
        out = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=mask is None, enable_gqa=True
        )
        return out[0].transpose(0, 1)
