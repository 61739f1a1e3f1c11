"""On a card: CUDA graphs and none come to the same, memory is measured and kept to, what does not fit is told."""

import pytest
import torch

from services.ar.compute.cuda.memory import measure_memory
from services.ar.compute.torch.forward import TorchForward
from services.ar.compute.torch.loading import load_transformer
from services.ar.engine.step import Layout, Work
from services.ar.model.weights import open_checkpoint
from services.ar.settings import ArSettings
from tandem.shared.models import ModelError
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
from tests.unit.services.ar.compute.cuda.triton_device import DEVICE, needs_card

pytestmark = [pytest.mark.gpu, needs_card]


@pytest.fixture(autouse=True)
def own_stream():
    """A started forward changes the thread's stream: give the old one back."""
    with torch.cuda.stream(torch.cuda.current_stream()):
        yield


@pytest.fixture(params=["llama", "mistral", "qwen3"])
def folder(request, tmp_path):
    save_tiny_model(tmp_path, request.param)
    return tmp_path


def load(folder, dtype=torch.float32, device=DEVICE):
    model = load_transformer(open_checkpoint(folder), dtype, device)
    model.prepare(MAX_CONTEXT_TOKENS)
    return model


def open_on_card(model, has_graphs: bool, num_drafted: int = 0, **settings):
    from services.ar.compute.cuda.opening import open_forward

    settings = {"max_num_sequences": NUM_SEQUENCES, "gpu_memory_share": 0.5} | settings
    sizes = {"block_size": BLOCK_SIZE, "max_batch_tokens": MAX_BATCH_TOKENS, "speculative_tokens": num_drafted}
    return open_forward(model, ArSettings().model_copy(update={"cuda_graphs": has_graphs, **sizes, **settings}))


@pytest.mark.parametrize("num_drafted", [0, 3])
@pytest.mark.parametrize("has_graphs", [True, False])
def test_tokens_are_those_of_a_cpu_though_some_are_preempted(folder, has_graphs, num_drafted):
    """The scheduler is given few of the blocks that there are."""
    plain = load(folder, device=torch.device("cpu"))
    expected, _ = run(TorchForward(plain, new_cache(plain, 40), 1), some_sequences(), 40)
    forward, num_blocks = open_on_card(load(folder), has_graphs, num_drafted=num_drafted)
    assert num_blocks == NUM_SEQUENCES * MAX_CONTEXT_TOKENS // BLOCK_SIZE
    brought, scheduler = run(forward, some_sequences(), 12, num_drafted)
    assert scheduler.num_preemptions > 0
    assert token_ids(brought) == token_ids(expected)


def test_graphs_change_no_token_in_bfloat16(folder):
    """Two sequences at most: all numbers of rows are sizes of the ladder, so the kernels are the same."""
    runs = [open_on_card(load(folder, torch.bfloat16), has_graphs)[0] for has_graphs in (True, False)]
    brought = []
    for forward in runs:
        sequences = [some_sequences()[number] for number in (1, 4)]
        brought.append(token_ids(run(forward, sequences, 64)[0]))
    assert brought[0] == brought[1]


@torch.inference_mode()
def test_logits_in_bfloat16_are_near_those_in_float32_on_a_cpu(folder):
    """A prompt of 40 tokens in two chunks, and a decode behind it."""
    sequence = some_sequences()[4]
    sequence.token_ids.append(5)
    sequence.block_table.extend([3, 9, 1, 4, 7, 11])
    plain = load(folder, device=torch.device("cpu"))
    forwards = [TorchForward(plain, new_cache(plain, 12), 1), open_on_card(load(folder, torch.bfloat16), True)[0]]
    forwards[1].start()
    for num_tokens in (25, 15, 1):
        layout = Layout([Work(sequence, num_tokens)], BLOCK_SIZE)
        layout.logits_indices = [num_tokens - 1]
        expected, actual = (forward(layout).logits.float().cpu() for forward in forwards)
        assert torch.nn.functional.cosine_similarity(actual, expected).item() > 0.99
        sequence.num_computed_tokens += num_tokens


def test_a_cache_takes_the_share_of_what_is_free(folder):
    """Asked for far more sequences than fit, so that memory decides; half of what is free then stays free, roughly."""
    model = load(folder)
    before, _ = torch.cuda.mem_get_info()
    forward, _ = open_on_card(model, True, max_num_sequences=10**9)
    forward.start()
    after, _ = torch.cuda.mem_get_info()
    assert 0.45 * before < after < 0.6 * before


def test_what_does_not_fit_is_an_error_that_names_it(folder):
    with pytest.raises(ModelError, match="kv_cache_tokens: 10000000000 tokens need"):
        open_on_card(load(folder), True, kv_cache_tokens=10**10)


def test_the_largest_step_is_measured(folder):
    memory = measure_memory(load(folder), MAX_BATCH_TOKENS, NUM_SEQUENCES)
    total = torch.cuda.mem_get_info()[1]
    assert 2 * MAX_BATCH_TOKENS * 384 * 4 < memory.steps < total // 100
    assert 0 < memory.free < total
