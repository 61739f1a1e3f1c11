"""A transformer with drafts generates what it generates without: tokens, log-probabilities and ends."""

import random

import pytest
import torch

from services.ar.compute.runner import Runner
from services.ar.compute.torch.exact import make_exact
from services.ar.compute.torch.forward import TorchForward
from services.ar.compute.torch.kv_cache import KVCache
from services.ar.compute.torch.loading import load_transformer
from services.ar.engine.block_pool import BlockPool, PrefixCache
from services.ar.engine.drafting import NgramDrafter
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import FinishReason, SampledToken, SamplingParams, Sequence
from services.ar.model.weights import open_checkpoint
from tests.tiny_models import VOCAB_SIZE, save_tiny_model


@pytest.fixture(scope="module", params=["llama", "mistral"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    save_tiny_model(folder, request.param)
    model = load_transformer(open_checkpoint(folder), torch.float32, torch.device("cpu"))
    make_exact(model)
    model.prepare(256)
    return model


def random_sequence(chance: random.Random) -> Sequence:
    """Return a sequence that repeats itself somewhat, with parameters of every kind."""
    few = [chance.randrange(VOCAB_SIZE) for _ in range(6)]
    params = SamplingParams(
        seed=chance.randrange(2**63),
        max_tokens=chance.randrange(1, 50),
        temperature=chance.choice([0.0, 0.0, 0.3, 1.0]),
        top_k=chance.choice([0, 0, 4]),
        top_p=chance.choice([1.0, 0.8]),
        min_p=chance.choice([0.0, 0.0, 0.1]),
        repetition_penalty=chance.choice([1.0, 1.0, 0.7, 1.3]),
        presence_penalty=chance.choice([0.0, 0.0, -1.0, 1.0]),
        frequency_penalty=chance.choice([0.0, 0.0, -0.5, 0.5]),
        min_tokens=chance.choice([0, 0, 10]),
        stop_token_ids=frozenset(chance.choice([[], [few[0]]])),
        logit_bias=chance.choice([{}, dict.fromkeys(few, 12.0)]),
        ignore_eos=chance.random() < 0.5,
        logprobs=True,
        top_logprobs=2,
    )
    return Sequence(chance.choices(few, k=chance.randrange(1, 40)), params, frozenset({few[1]}), chance.randrange(3))


def outputs(model, sequences: list[Sequence], drafter: NgramDrafter | None, num_blocks: int = 96):
    """Return what each sequence brought, and why it ended."""
    pool, cache = BlockPool(num_blocks, 8), KVCache(model.config, num_blocks, 8, torch.float32, torch.device("cpu"))
    scheduler = Scheduler(pool, 6, 40, 16, PrefixCache(pool, 16), drafter)
    runner = Runner(TorchForward(model, cache, num_threads=1, is_exact=True), 8, VOCAB_SIZE)
    brought: dict[int, list[SampledToken]] = {id(each): [] for each in sequences}
    reasons = {}
    for each in sequences:
        scheduler.add(each)
    while scheduler.has_work:
        batch = scheduler.schedule()
        for progress in scheduler.commit(batch, runner.run(batch)):
            brought[id(progress.sequence)] += progress.tokens
            reasons[id(progress.sequence)] = progress.finish_reason
        scheduler.check_integrity()
    return [(brought[id(each)], reasons[id(each)]) for each in sequences], scheduler


@pytest.fixture(scope="module")
def without_drafts(model):
    """What 24 random sequences come to without drafts, in exact mode."""
    found, _ = outputs(model, [random_sequence(random.Random(number)) for number in range(24)], None)
    return found


@pytest.mark.parametrize("num_blocks", [96, 16])
def test_whatever_the_parameters_tokens_and_log_probabilities_are_those_without_drafts(
    model, without_drafts, num_blocks
):
    """To the last bit, in exact mode; with few blocks some are preempted and computed again."""
    drafter = NgramDrafter(6, 64)
    sequences = [random_sequence(random.Random(number)) for number in range(24)]
    found, scheduler = outputs(model, sequences, drafter, num_blocks)
    assert found == without_drafts
    assert (scheduler.num_preemptions > 0) == (num_blocks == 16)
    assert drafter.num_accepted_tokens > 20
    assert drafter.num_drafted_tokens - drafter.num_accepted_tokens > 20
    assert {reason for _, reason in found} == {FinishReason.STOP, FinishReason.LENGTH}
