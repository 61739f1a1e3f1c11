"""Whole sequences through the kernels: in Triton's interpreter as well as on a card."""

import pytest
import torch

from services.ar.compute.cuda.forward import CudaForward
from services.ar.compute.torch.forward import TorchForward
from services.ar.compute.torch.loading import load_transformer
from services.ar.model.weights import open_checkpoint
from tests.tiny_models import save_tiny_model
from tests.unit.services.ar.compute.cuda.block_attention import (
    BLOCK_SIZE,
    MAX_BATCH_TOKENS,
    MAX_CONTEXT_TOKENS,
    NUM_SEQUENCES,
    new_cache,
    run,
    some_sequences,
    token_ids,
)
from tests.unit.services.ar.compute.cuda.triton_device import DEVICE, HAS_CARD, needs_triton

pytestmark = needs_triton

NUM_TOKENS = 20 if HAS_CARD else 4


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen3"])
@pytest.mark.parametrize("num_drafted", [0, 3])
def test_tokens_are_those_of_the_plain_forward_on_a_cpu(family, num_drafted, tmp_path):
    from services.ar.compute.cuda.attention import BlockAttention, KernelShapes
    from services.ar.compute.cuda.fused import fuse

    save_tiny_model(tmp_path, family)
    plain, model = (
        load_transformer(open_checkpoint(tmp_path), torch.float32, device) for device in (torch.device("cpu"), DEVICE)
    )
    for each in (plain, model):
        each.prepare(MAX_CONTEXT_TOKENS)
    expected, _ = run(TorchForward(plain, new_cache(plain, 40), 1), some_sequences(NUM_TOKENS), 40)
    fuse(model)
    cache = new_cache(model, 12)
    attention = BlockAttention(KernelShapes(model.config, BLOCK_SIZE, torch.float32, MAX_CONTEXT_TOKENS, 100), cache)
    rows = NUM_SEQUENCES * (1 + num_drafted)
    forward = CudaForward(model, cache, attention, MAX_CONTEXT_TOKENS, MAX_BATCH_TOKENS, rows, None)
    brought, _ = run(forward, some_sequences(NUM_TOKENS), 12, num_drafted)
    assert token_ids(brought) == token_ids(expected)
