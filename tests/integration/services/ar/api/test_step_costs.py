"""Groups that a model's own step_costs.json decides, over real gRPC: what is drawn with them, and how it is scored."""

import itertools
import json
import math
import random
from collections.abc import AsyncIterator

import pytest
import torch

from services.ar.compute.torch.loading import load_transformer
from services.ar.engine.sequence import group_ends
from services.ar.model.weights import open_checkpoint
from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tandem.shared.models import ModelError, ModelRepository
from tandem.shared.step_costs import StepCosts
from tests.integration.services.ar.conftest import Backend, serving
from tests.tiny_models import FIRST_CLASS_TOKEN, MASK_TOKEN, NUM_CODES, NUM_TOKENS, add_image_model
from training.set_autoregressive.rows import RowAttention, rows_of, visible_rows

NAME = "tiny-steps"
SOURCE = random.Random(1)
BITS = [[SOURCE.uniform(1, 4) for _ in range(NUM_TOKENS - start)] for start in range(NUM_TOKENS)]


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("costs")
    model = add_image_model(folder, NAME, takes_steps=True)
    with (model / "model.toml").open("a") as toml:
        toml.write('\nstep_costs = "step_costs.json"\n')
    (model / "step_costs.json").write_text(json.dumps({"num_images": 1, "bits": BITS}))
    return folder


@pytest.fixture
async def backend(models_dir) -> AsyncIterator[Backend]:
    settings = ArSettings(
        models_dir=models_dir,
        models=[NAME],
        device="cpu",
        max_context_tokens=50,
        kv_cache_tokens=512,
    )
    async with serving(settings) as running:
        yield running


async def drawn(backend: Backend, prompt: list[int], **sampling: int) -> tuple[list[int], list[float]]:
    """Return tokens and log-probabilities of a picture behind a prompt."""
    request = ar_pb2.GenerateRequest(
        model=NAME,
        tokens=ar_pb2.TokenPrompt(ids=prompt),
        logprobs=True,
        sampling=ar_pb2.SamplingParams(seed=1, **sampling),
    )
    messages = await backend.generate(request)
    tokens = [token_id for message in messages for token_id in message.token_ids]
    return tokens, [each.logprob for message in messages for each in message.logprobs]


@torch.inference_mode()
def oracle(models_dir, sequence: list[int], ends: tuple[int, ...]) -> list[float]:
    """Return the log-probability of each token of a whole picture as the training computes it, in these groups."""
    path = ModelRepository(models_dir).get(NAME).transformer_path()
    model = load_transformer(open_checkpoint(path), torch.float32, torch.device("cpu"))
    model.prepare(1 + NUM_TOKENS)
    starts = [start for start, end in itertools.pairwise((0, *ends)) for _ in range(start, end)]
    ids, positions = rows_of(torch.tensor([sequence]), MASK_TOKEN)
    hidden = model(ids.flatten(), positions.flatten(), RowAttention(visible_rows(torch.tensor([starts]))))
    logprobs = model.logits(hidden)[NUM_TOKENS:, :NUM_CODES].log_softmax(dim=-1)
    return logprobs[range(NUM_TOKENS), sequence[1:]].tolist()


@pytest.mark.parametrize("steps", [1, 4, 12, 48])
async def test_a_picture_is_drawn_and_scored_in_the_cheapest_groups(backend, models_dir, steps):
    ends = StepCosts(BITS).group_ends(0, NUM_TOKENS, steps)
    assert steps == 1 or ends != group_ends(NUM_TOKENS, steps)
    tokens, logprobs = await drawn(backend, [FIRST_CLASS_TOKEN + 3], steps=steps)
    sequence = [FIRST_CLASS_TOKEN + 3, *tokens]
    assert logprobs == pytest.approx(oracle(models_dir, sequence, ends), abs=2e-4)
    content = ar_pb2.TokenContent(token_lists=[ar_pb2.TokenPrompt(ids=sequence)])
    reply = await backend.stub.Score(ar_pb2.ScoreRequest(model=NAME, tokens=content, steps=steps))
    assert reply.likelihoods[0].total_logprob == pytest.approx(math.fsum(logprobs), abs=1e-6)
    await backend.assert_idle()


async def test_a_picture_that_was_begun_goes_on_in_the_cheapest_groups_of_the_rest(backend, models_dir):
    codes = list(range(20))
    tokens, logprobs = await drawn(backend, [FIRST_CLASS_TOKEN + 3, *codes], steps=5)
    rest = StepCosts(BITS).group_ends(20, NUM_TOKENS - 20, 5)
    expected = oracle(models_dir, [FIRST_CLASS_TOKEN + 3, *codes, *tokens], (20, *(20 + end for end in rest)))
    assert logprobs == pytest.approx(expected[20:], abs=2e-4)


async def test_costs_of_other_images_are_refused_at_the_start(models_dir, tmp_path):
    model = add_image_model(tmp_path, NAME, takes_steps=True)
    (model / "model.toml").write_text((models_dir / NAME / "model.toml").read_text())
    (model / "step_costs.json").write_text(json.dumps({"num_images": 1, "bits": BITS[1:]}))
    with pytest.raises(ModelError, match=r"step_costs.json: bits: expected 49 rows"):
        async with serving(ArSettings(models_dir=tmp_path, models=[NAME], device="cpu", max_context_tokens=50)):
            pass
