"""The rows of a training pass: what each of them sees, told by hand for small images and by changing tokens."""

import torch

from services.ar.compute.torch.transformer import Transformer
from services.ar.engine.groups import group_ends
from services.ar.model.config import ModelConfig
from training.set_autoregressive.rows import RowAttention, group_starts, rows_of, visible_rows

MASK, NUM_TOKENS = 9, 6
CONFIG = ModelConfig(
    vocab_size=10,
    hidden_size=16,
    intermediate_size=16,
    num_layers=2,
    num_heads=2,
    num_kv_heads=1,
    head_dim=8,
    max_context_tokens=1 + NUM_TOKENS,
)


def test_starts_are_those_of_the_groups_that_the_engine_makes():
    starts = group_starts(NUM_TOKENS)
    for steps in range(1, NUM_TOKENS + 1):
        ends = group_ends(NUM_TOKENS, steps)
        assert sorted(set(starts[steps].tolist())) == [0, *ends[:-1]]


def test_a_mask_row_sees_earlier_groups_and_its_own_group_up_to_itself():
    visible = visible_rows(torch.tensor([[0, 1, 1]]))[0, 0]  # two groups: token 1, then 2 and 3
    assert visible.int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 0, 0, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 1],
    ]


@torch.no_grad()
def test_a_token_changes_the_mask_rows_of_later_groups_alone():
    torch.manual_seed(0)
    model = Transformer(CONFIG)
    model.prepare(CONFIG.max_context_tokens)
    starts = group_starts(NUM_TOKENS)[3].unsqueeze(0)  # ends are 1 (at least), ..., 6
    sequence = torch.tensor([[7, 1, 2, 3, 4, 5, 6]])
    before = _mask_rows(model, sequence, starts)
    for place in range(NUM_TOKENS):
        changed = sequence.clone()
        changed[0, 1 + place] = 0
        differs = (_mask_rows(model, changed, starts) != before).any(dim=1)
        assert differs.tolist() == (starts[0] > place).tolist()


def _mask_rows(model: Transformer, sequence: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
    ids, positions = rows_of(sequence, MASK)
    return model(ids.flatten(), positions.flatten(), RowAttention(visible_rows(starts)))[NUM_TOKENS:]


def test_behind_a_prompt_of_several_tokens_rows_that_fill_up_are_seen_by_none_but_themselves():
    visible = visible_rows(torch.tensor([[0, 1]]), 3, torch.tensor([1]))[0, 0]  # two prompt tokens, two groups
    assert visible.int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 1, 1, 0, 1, 0],
        [0, 1, 1, 1, 0, 1],
    ]
