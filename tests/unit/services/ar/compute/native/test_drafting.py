"""The kernel's draft head: it predicts what torch does with the same weights, and no output depends on it."""

import numpy as np
import pytest
import torch

from services.ar.compute.memory import empty
from services.ar.compute.native.forward import LEAST_CHANCE, NativeForward
from services.ar.compute.native.packing import STORED
from services.ar.compute.native.parameters import Parameters, Sizes
from services.ar.compute.runner import Runner
from services.ar.engine.block_pool import BlockPool, PrefixCache
from services.ar.engine.drafting import TextDrafter
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Work
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.draft_head import DraftHead
from services.ar.model.quantised import as_array
from services.ar.model.weights import open_checkpoint
from tests.engine_loop import brought
from tests.kernels import USABLE_LEVELS
from tests.tiny_models import VOCAB_SIZE, save_tiny_model
from tests.unit.services.ar.compute.native.formats import BLOCK_SIZE, NUM_ROWS, in_format, kernel
from training.draft_head.train import DraftHead as TorchDraftHead
from training.draft_head.train import read_matrices

WIDTH, NUM_WANTED = 96, 3


@pytest.fixture(scope="module", params=["llama", "qwen3"])
def checkpoint(request, tmp_path_factory) -> Checkpoint:
    folder = tmp_path_factory.mktemp(request.param)
    save_tiny_model(folder, request.param)
    return in_format(open_checkpoint(folder), "int8")


def random_head(size: int, scale: float = 0.1) -> DraftHead:
    source = np.random.default_rng(1)

    def values(*shape: int) -> np.ndarray:
        return (scale * source.standard_normal(shape)).astype(np.float32)

    gate_up = values(WIDTH, 2 * size), values(WIDTH, 2 * size)
    ids = np.arange(0, VOCAB_SIZE, 3, dtype=np.int32)
    return DraftHead(1 + values(size), 1 + values(size), *gate_up, values(size, WIDTH), ids)


def opened(checkpoint: Checkpoint, head: DraftHead | None, level: str | None = None) -> NativeForward:
    own_kernel = kernel(level)
    parameters = Parameters(checkpoint, STORED, 256, lambda share: None, own_kernel, draft_head=head)
    forward = NativeForward(parameters, own_kernel, Sizes("float16", 64, BLOCK_SIZE, NUM_ROWS, 256, 8), 2)
    forward.start()
    return forward


def torch_head(checkpoint: Checkpoint, head: DraftHead) -> TorchDraftHead:
    embedding, output = read_matrices(checkpoint)
    found = TorchDraftHead(embedding, output[head.token_ids], WIDTH, checkpoint.config.norm_eps)
    weights = {
        "hidden_norm.weight": head.hidden_norm,
        "token_norm.weight": head.token_norm,
        "gate_up.weight": np.concatenate([as_array(head.gate), as_array(head.up)]),
        "down.weight": as_array(head.down),
    }
    found.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    return found


@torch.inference_mode()
def expected(head: TorchDraftHead, token_ids: np.ndarray, hidden: np.ndarray, token_id: int) -> tuple[int, ...]:
    """Return what follows a token, as far as it is likely enough."""
    state, chance, found = torch.from_numpy(hidden.copy())[None], 1.0, []
    for _ in range(NUM_WANTED):
        state = head(state, torch.tensor([token_id]))
        best = head.logits(state).softmax(-1)[0].max(0)
        chance *= best.values.item()
        if chance < LEAST_CHANCE:
            break
        found.append(token_id := int(token_ids[best.indices]))
    return tuple(found)


def test_predictions_are_those_of_torch_behind_the_tokens_that_held(checkpoint):
    """Where a value lies between two steps of its rounding, torch and the kernel may differ: not all agree."""
    head = random_head(checkpoint.config.hidden_size)
    forward, reference = opened(checkpoint, head), torch_head(checkpoint, head)
    forward.hidden = empty((NUM_ROWS, checkpoint.config.hidden_size), np.dtype(np.float32))
    runner = Runner(forward, BLOCK_SIZE, VOCAB_SIZE)
    num_alike, lengths = 0, set()
    for seed in range(30):
        one = Sequence([seed, 2 * seed, 7], SamplingParams(seed=seed, max_tokens=20))
        one.block_table = [seed % 8]
        one.num_computed_tokens = 0
        (first,) = runner.run([Work(one, 3)])[0]
        one.num_computed_tokens = 2  # computed once more, with a draft of which the first token holds, or none does
        draft = (first.token_id if seed % 2 else (first.token_id + 1) % VOCAB_SIZE, 5)
        work = Work(one, 3, draft, num_predicted=NUM_WANTED)
        (tokens,) = runner.run([work])
        held = seed % 2 + (seed % 2 and tokens[1].token_id == 5)
        predicted = expected(reference, head.token_ids, forward.hidden[held], tokens[held].token_id)
        num_alike += work.predicted == predicted
        lengths.add(len(work.predicted))
    assert num_alike >= 20
    assert len(lengths) > 1


@pytest.mark.parametrize("level", USABLE_LEVELS)
def test_outputs_with_a_draft_head_are_those_without_in_fewer_steps_or_not(checkpoint, level):
    """A random head is nearly always wrong, and costs nothing but time; company and preemption change nothing."""
    plain, drafting = (
        opened(checkpoint, None, level),
        opened(checkpoint, random_head(checkpoint.config.hidden_size), level),
    )

    def outputs(forward: NativeForward, num_blocks: int, drafter: TextDrafter | None) -> list[list[int]]:
        pool = BlockPool(num_blocks, BLOCK_SIZE)
        scheduler = Scheduler(pool, 8, 32, prefix_cache=PrefixCache(pool), drafter=drafter)
        sequences = [
            Sequence([3 * n + 1, 7], SamplingParams(seed=n, temperature=n % 2, max_tokens=24 + n)) for n in range(5)
        ]
        found = brought(scheduler, Runner(forward, BLOCK_SIZE, VOCAB_SIZE), sequences)
        return [[token.token_id for token in tokens] for tokens in found]

    expected_tokens = outputs(plain, 64, None)
    for num_blocks, max_rows in ((64, 16), (64, 30), (9, 30)):
        drafter = TextDrafter(4, max_rows, has_head=True)
        assert outputs(drafting, num_blocks, drafter) == expected_tokens
        assert drafter.num_drafted_tokens > 0
