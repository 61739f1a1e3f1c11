"""Rows whose places in the text are not those in the sequence: every backend turns them by the one, and attends by the
other.
"""

import pytest
import torch

from services.ar.compute.torch.loading import load_transformer
from services.ar.engine.groups import TokenGroups, equal_ends, spread_order
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Layout, Work
from services.ar.model.weights import open_checkpoint
from tests.causal_attention import CausalAttention
from tests.tiny_models import save_tiny_model
from tests.unit.services.ar.compute.backends import (
    BLOCK_SIZE,
    CPU,
    MAX_CONTEXT_TOKENS,
    Opened,
    open_cuda,
    open_native,
    open_torch,
)

PROMPT, MASK = [7, 30, 31, 32, 33], 99
BACKENDS = [
    pytest.param(open_native("float32"), id="native"),
    pytest.param(open_torch(torch.float32), id="torch"),
    pytest.param(open_torch(torch.float32, is_exact=True), id="torch-exact"),
    pytest.param(open_cuda(has_graphs=True), id="cuda"),
]


def placed(blocks: list[int]) -> Sequence:
    """Return a prompt and an output to score, of twenty tokens in the spread order."""
    groups = TokenGroups.of(len(PROMPT), equal_ends(20, 4), spread_order(20, 32))
    tokens = [*PROMPT, *range(100, 120)]
    sequence = Sequence(tokens, SamplingParams(), is_scored=True, mask_token_id=MASK, groups=groups)
    sequence.block_table = blocks
    return sequence


@pytest.mark.parametrize("open_backend", BACKENDS)
@torch.inference_mode()
def test_angles_go_by_the_text_and_attention_by_the_sequence(open_backend, tmp_path):
    save_tiny_model(tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    opened: Opened = open_backend(checkpoint)
    sequence, found = placed([3, 1]), []
    for count in (5, 4, 4):
        work = Work(sequence, count + 4, num_masked=4)
        computed = opened.forward(Layout([work], BLOCK_SIZE))
        assert all(computed.is_finite)
        found.append(torch.as_tensor(computed.logits).clone())
        sequence.num_computed_tokens += count
    model = load_transformer(checkpoint, torch.float32, CPU)
    model.prepare(MAX_CONTEXT_TOKENS)
    order = [5 + place for place in spread_order(20, 32)]
    for known, logits in zip((5, 9, 13), found, strict=True):
        ids = torch.tensor([*sequence.token_ids[:known], *[MASK] * 4])
        positions = torch.tensor([*range(5), *order[: known - 1]])
        hidden = model(ids, positions, CausalAttention())
        assert torch.allclose(logits, model.logits(hidden)[-4:], atol=2e-3)
