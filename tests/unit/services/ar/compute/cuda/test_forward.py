"""Steps as they are laid out for a GPU, on a CPU: padding, graphs and tiles change nothing that comes out."""

import pytest
import torch

from services.ar.compute.cuda.forward import CudaForward
from services.ar.compute.torch.forward import TorchForward
from services.ar.compute.torch.loading import load_transformer
from services.ar.model.weights import open_checkpoint
from tests.tiny_models import save_tiny_model
from tests.unit.services.ar.compute.cuda.block_attention import (
    MAX_BATCH_TOKENS,
    MAX_CONTEXT_TOKENS,
    NUM_SEQUENCES,
    TorchBlockAttention,
    new_cache,
    run,
    some_sequences,
    token_ids,
)

ENOUGH_BLOCKS, FEW_BLOCKS = 40, 12


@pytest.fixture(scope="module", params=["llama", "mistral", "qwen3"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    save_tiny_model(folder, request.param)
    model = load_transformer(open_checkpoint(folder), torch.float32, torch.device("cpu"))
    model.prepare(MAX_CONTEXT_TOKENS)
    return model


class Launches:
    """Stands for CUDA's graphs: a launch runs what was captured."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, captured):
        def launch() -> None:
            self.count += 1
            captured()

        return launch


def new_forward(model, cache, capture=None, num_drafted: int = 0) -> CudaForward:
    return CudaForward(
        model,
        cache,
        TorchBlockAttention(cache, model.config.sliding_window),
        MAX_CONTEXT_TOKENS,
        MAX_BATCH_TOKENS,
        NUM_SEQUENCES * (1 + num_drafted),
        capture,
    )


@pytest.mark.parametrize("num_drafted", [0, 3])
@pytest.mark.parametrize("has_graphs", [True, False])
@pytest.mark.parametrize("num_blocks", [ENOUGH_BLOCKS, FEW_BLOCKS])
def test_tokens_are_those_of_the_plain_forward(model, num_blocks, has_graphs, num_drafted):
    plain = TorchForward(model, new_cache(model, ENOUGH_BLOCKS), num_threads=1)
    expected, _ = run(plain, some_sequences(), ENOUGH_BLOCKS)
    launches = Launches()
    forward = new_forward(model, new_cache(model, num_blocks), launches if has_graphs else None, num_drafted)
    brought, scheduler = run(forward, some_sequences(), num_blocks, num_drafted)
    assert token_ids(brought) == token_ids(expected)
    assert (scheduler.num_preemptions > 0) == (num_blocks == FEW_BLOCKS)
    assert (launches.count > 10) == has_graphs


def test_padding_writes_to_nobody_s_block(model):
    """Three sequences ride in steps of four rows; blocks that nobody ever took stay as they were."""
    cache = new_cache(model, ENOUGH_BLOCKS)
    keys, _ = cache.layer(0)
    keys.fill_(7.0)
    forward = new_forward(model, cache, Launches())
    sequences = [some_sequences()[number] for number in (0, 1, 2)]
    run(forward, sequences, ENOUGH_BLOCKS)
    is_touched = (keys != 7.0).any(dim=-1).any(dim=-1).any(dim=0)
    lengths = [len(sequence.token_ids) - 1 for sequence in sequences]
    num_taken = sum(-(-length // cache.block_size) for length in lengths)
    assert int(is_touched[:ENOUGH_BLOCKS].sum()) == num_taken
    assert bool(is_touched[ENOUGH_BLOCKS])


def test_steps_with_more_rows_than_the_ladder_has_are_run_as_they_are(model):
    """A model whose settings foresee fewer rows than its scheduler gives."""
    launches, cache = Launches(), new_cache(model, ENOUGH_BLOCKS)
    attention = TorchBlockAttention(cache, model.config.sliding_window)
    forward = CudaForward(model, cache, attention, MAX_CONTEXT_TOKENS, MAX_BATCH_TOKENS, 2, launches)
    expected, _ = run(new_forward(model, new_cache(model, ENOUGH_BLOCKS)), some_sequences(), ENOUGH_BLOCKS)
    brought, _ = run(forward, some_sequences(), ENOUGH_BLOCKS)
    assert token_ids(brought) == token_ids(expected)
