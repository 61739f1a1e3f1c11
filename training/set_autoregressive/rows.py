"""The rows of one training pass over whole images: next-token prediction and prediction in groups at the same time.

Rows of an image: the class and all tokens but the last (content rows), then a MASK row for each token. All that is at
place n of the order has rotary position n. A content row sees the content rows up to itself. The MASK row of a token
sees the content of earlier groups, and the MASK rows of its own group up to itself: what the engine's causal attention
lets it see when the group is generated. So one pass trains every number of steps; see services/ar/engine/sequence.
A model is trained before its step costs are known, so the groups of the training are those of the arccos schedule.
"""

import math

import torch
from torch import Tensor

from services.ar.engine.groups import group_ends


def group_starts(num_tokens: int) -> Tensor:
    """Return [num_tokens + 1, num_tokens]: row `steps` says for each token where its group begins; row 0 is unused."""
    table = torch.zeros(num_tokens + 1, num_tokens, dtype=torch.int64)
    for steps in range(1, num_tokens + 1):
        start = 0
        for end in group_ends(num_tokens, steps):
            table[steps, start:end] = start
            start = end
    return table


def visible_rows(starts: Tensor, num_prompt: int = 1, first: Tensor | None = None) -> Tensor:
    """Return [B, 1, R, R], true where a row (second to last) sees another (last); `starts` [B, T]: see above.

    The rows are those of `num_prompt` + T - 1 contents, then T of MASK. Content rows before `first` [B], if given, are
    there to fill up, and no other sees them.
    """
    size, num_content = starts.shape[1], num_prompt - 1 + starts.shape[1]
    row, place = torch.arange(num_content, device=starts.device), torch.arange(size, device=starts.device)
    is_there = torch.ones(len(starts), 1, num_content, dtype=torch.bool, device=starts.device)
    if first is not None:
        is_there = (row >= first[:, None]).unsqueeze(1)
    causal = (row[:, None] >= row) & is_there | torch.eye(num_content, dtype=torch.bool, device=starts.device)
    begun = (row < num_prompt + starts[:, :, None]) & is_there
    in_group = (place[:, None] >= place) & (place >= starts[:, :, None])
    content = torch.cat([causal, causal.new_zeros(len(starts), num_content, size)], dim=2)
    return torch.cat([content, torch.cat([begun, in_group], dim=2)], dim=1).unsqueeze(1)


def rows_of(sequences: Tensor, mask_token: int) -> tuple[Tensor, Tensor]:
    """Return token ids and positions [B, 2 T] of sequences [B, 1 + T]: a class and T tokens in the model's order."""
    size = sequences.shape[1] - 1
    place = torch.arange(size, device=sequences.device)
    ids = torch.cat([sequences[:, :-1], torch.full_like(sequences[:, :-1], mask_token)], dim=1)
    return ids, torch.cat([place, place + 1]).expand_as(ids)


class RowAttention:
    """Attention among an image's rows, as `visible` [B, 1, R, R] says; implements `model.Attention`.

    Written out, because torch's fused attention is slow on a CPU with a mask: compiled, this halves the time of a step.
    """

    def __init__(self, visible: Tensor) -> None:
        self._visible = visible

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        num_rows, num_kv_heads = self._visible.shape[-1], key.shape[1]
        query, key, value = (x.unflatten(0, (-1, num_rows)) for x in (query, key, value))  # [B, R, H, D]
        query = query.unflatten(2, (num_kv_heads, -1)).permute(0, 2, 3, 1, 4)  # [B, H_kv, G, R, D]
        scores = (query.flatten(2, 3) @ key.permute(0, 2, 3, 1)).unflatten(2, (-1, num_rows))  # [B, H_kv, G, R, R]
        scores = (scores * query.shape[-1] ** -0.5).masked_fill(~self._visible.unsqueeze(1), -math.inf)
        weights = scores.float().softmax(dim=-1).to(value.dtype)
        out = (weights.flatten(2, 3) @ value.transpose(1, 2)).unflatten(2, (-1, num_rows))
        return out.permute(0, 3, 1, 2, 4).flatten(2, 3).flatten(0, 1)  # type: ignore[no-any-return]
