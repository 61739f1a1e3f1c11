"""Our transformer against that of transformers: tiny random models agree, cached and not, whole and in chunks."""

import math

import pytest
import torch

from services.ar.compute.runner import Runner
from services.ar.compute.torch.forward import TorchForward
from services.ar.compute.torch.kv_cache import KVCache, LayeredAttention
from services.ar.compute.torch.loading import load_transformer
from services.ar.engine.block_pool import BlockPool
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.model.weights import open_checkpoint
from tests.causal_attention import CausalAttention
from tests.engine_loop import brought
from tests.tiny_models import FAMILIES, VOCAB_SIZE, save_tiny_model

TOLERANCE = 1e-4


@pytest.fixture(scope="module", params=FAMILIES)
def models(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    reference = save_tiny_model(folder, request.param)
    model = load_transformer(open_checkpoint(folder), torch.float32, torch.device("cpu"))
    model.prepare(256)
    return reference, model


def random_ids(length: int, seed: int) -> list[int]:
    return torch.randint(VOCAB_SIZE, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


@torch.inference_mode()
def test_logits_agree_with_transformers(models):
    reference, model = models
    ids = torch.tensor(random_ids(100, seed=1))
    expected = reference(ids.unsqueeze(0)).logits[0]
    hidden = model(ids, torch.arange(100), LayeredAttention(model.config, CausalAttention))
    torch.testing.assert_close(model.logits(hidden), expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("max_batch_tokens", [8, 33, 256])
def test_greedy_generation_through_the_paged_cache_is_that_of_transformers(models, max_batch_tokens):
    """Prompts of several lengths at once, prefilled in chunks, decoded together, some preempted."""
    reference, model = models
    prompts = [random_ids(length, seed=length) for length in (1, 5, 31, 64, 90)]
    sequences = [Sequence(prompt, SamplingParams(temperature=0.0, max_tokens=20)) for prompt in prompts]
    brought(*engine_parts(model, max_batch_tokens, num_blocks=24), sequences)
    for prompt, sequence in zip(prompts, sequences, strict=True):
        assert sequence.output_token_ids == greedy(reference, prompt, 20)


@torch.inference_mode()
def test_scores_are_the_log_softmax_of_the_logits(models):
    reference, model = models
    ids = random_ids(50, seed=3)
    scheduler, runner = engine_parts(model, max_batch_tokens=16, num_blocks=24)
    (tokens,) = brought(scheduler, runner, [Sequence(ids, SamplingParams(logprobs=True), is_scored=True)])
    logprobs = reference(torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = logprobs[:-1].gather(1, torch.tensor(ids[1:]).unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(torch.tensor([token.logprob for token in tokens]), expected, atol=TOLERANCE, rtol=0)


def test_tokens_beyond_the_output_are_never_sampled_and_have_no_probability(models):
    _, model = models
    num_output_tokens = 20
    scheduler, runner = engine_parts(model, 64, 24, num_output_tokens)
    params = SamplingParams(
        max_tokens=30, temperature=10.0, repetition_penalty=1.5, logprobs=True, top_logprobs=num_output_tokens
    )
    (tokens,) = brought(scheduler, runner, [Sequence([VOCAB_SIZE - 1], params)])
    for token in tokens:
        assert sum(math.exp(other.logprob) for other in token.alternatives) == pytest.approx(1.0, abs=1e-5)
    token_ids = {token.token_id for token in tokens}
    assert max(token_ids) < num_output_tokens
    assert len(token_ids) > 5


def engine_parts(model, max_batch_tokens: int, num_blocks: int, num_output_tokens: int = VOCAB_SIZE):
    cache = KVCache(model.config, num_blocks, 8, torch.float32, torch.device("cpu"))
    runner = Runner(TorchForward(model, cache, num_threads=1), 8, num_output_tokens)
    return Scheduler(BlockPool(num_blocks, 8), 4, max_batch_tokens), runner


@torch.inference_mode()
def greedy(reference, prompt: list[int], count: int) -> list[int]:
    """Return the greedy continuation by transformers, computed anew for each token: no cache to be wrong about."""
    ids = list(prompt)
    for _ in range(count):
        ids.append(int(reference(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]
