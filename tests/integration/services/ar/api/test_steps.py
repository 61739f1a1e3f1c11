"""GrowingImages in fewer steps than tokens, over real gRPC: tiny random image models with a MASK token."""

import asyncio
import itertools
import json
import math
import random
from collections.abc import AsyncIterator, Iterable

import grpc
import numpy as np
import pytest
import torch

from services.ar.compute.torch.loading import load_transformer
from services.ar.engine.groups import group_ends
from services.ar.model.weights import open_checkpoint
from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tandem.shared.models import ModelError, ModelRepository
from tandem.shared.step_costs import StepCosts
from tests.integration.services.ar.conftest import Backend, serving
from tests.tiny_models import (
    FIRST_CLASS_TOKEN,
    MASK_TOKEN,
    NUM_CODES,
    NUM_TOKENS,
    SIDE,
    STEPS_ORDER,
    add_image_model,
    add_to_repository,
    painted,
)
from training.set_autoregressive.rows import RowAttention, rows_of, visible_rows

NAME = "tiny-steps"
COSTLY = "tiny-costs"
"""Has a step_costs.json, which decides its groups."""
STEPS = (1, 3, 12, 48, 49)
SOURCE = random.Random(1)
BITS = [[SOURCE.uniform(1, 4) for _ in range(NUM_TOKENS - start)] for start in range(NUM_TOKENS)]
CPU = {"device": "cpu", "max_context_tokens": 50}


def add_costly(folder, bits: list[list[float]]) -> None:
    model = add_image_model(folder, COSTLY, takes_steps=True)
    with (model / "model.toml").open("a") as toml:
        toml.write('\nstep_costs = "step_costs.json"\n')
    (model / "step_costs.json").write_text(json.dumps({"num_images": 1, "bits": bits}))


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    add_to_repository(folder)
    add_image_model(folder)
    add_image_model(folder, NAME, takes_steps=True)
    add_costly(folder, BITS)
    return folder


@pytest.fixture(scope="module", params=["native", "torch"])
def kernel(request) -> str:
    return request.param


@pytest.fixture
async def backend(models_dir, kernel) -> AsyncIterator[Backend]:
    limits = {"max_num_sequences": 32, "max_queued_sequences": 64, "max_caller_share": 1.0, "kv_cache_tokens": 1024}
    async with serving(
        ArSettings(models_dir=models_dir, models=[NAME, COSTLY], kernel=kernel, **CPU, **limits)
    ) as running:
        yield running


def picture(
    label: int = 3,
    steps: int | None = None,
    seed: int = 1,
    model: str = NAME,
    codes: Iterable[int] = (),
    **sampling: object,
) -> ar_pb2.GenerateRequest:
    prompt, sampling = {"ids": [FIRST_CLASS_TOKEN + label, *codes]}, {"seed": seed, "steps": steps} | sampling
    return ar_pb2.GenerateRequest(model=model, tokens=prompt, logprobs=True, sampling=sampling)


async def drawn(backend: Backend, request: ar_pb2.GenerateRequest) -> tuple[list[int], list[float], bytes]:
    """Return tokens, log-probabilities and image of a request's only choice."""
    messages = await backend.generate(request)
    tokens = [token_id for message in messages for token_id in message.token_ids]
    return tokens, [entry.logprob for message in messages for entry in message.logprobs], messages[-1].image.data


async def scored(backend: Backend, tokens: list[int], steps: int | None, model: str = NAME) -> ar_pb2.Likelihood:
    content = {"token_lists": [{"ids": [FIRST_CLASS_TOKEN + 3, *tokens]}]}
    return (await backend.stub.Score(ar_pb2.ScoreRequest(model=model, tokens=content, steps=steps))).likelihoods[0]


@torch.inference_mode()
def oracle(models_dir, model: str, tokens: list[int], ends: tuple[int, ...]) -> list[float]:
    """Return the log-probability of each token, in these groups, as the training computes it: one pass, no engine.

    Where each token has a step of its own, it is that of a content row, else of a MASK row.
    """
    path = ModelRepository(models_dir).get(model).transformer_path()
    transformer = load_transformer(open_checkpoint(path), torch.float32, torch.device("cpu"))
    transformer.prepare(1 + NUM_TOKENS)
    starts = [start for start, end in itertools.pairwise((0, *ends)) for _ in range(start, end)]
    ids, positions = rows_of(torch.tensor([[FIRST_CLASS_TOKEN + 3, *tokens]]), MASK_TOKEN)
    hidden = transformer(ids.flatten(), positions.flatten(), RowAttention(visible_rows(torch.tensor([starts]))))
    rows = slice(NUM_TOKENS) if len(ends) == NUM_TOKENS else slice(NUM_TOKENS, None)
    logprobs = transformer.logits(hidden)[rows, :NUM_CODES].log_softmax(dim=-1)
    return logprobs[range(NUM_TOKENS), tokens].tolist()


async def test_each_number_of_steps_draws_what_the_training_computes_and_score_prices_it(backend, models_dir, kernel):
    for model, steps in itertools.product((NAME, COSTLY), STEPS):
        ends = group_ends(NUM_TOKENS, steps) if model == NAME else StepCosts(BITS).group_ends(0, NUM_TOKENS, steps)
        tokens, logprobs, _ = await drawn(backend, picture(steps=steps, model=model))
        assert len(tokens) == NUM_TOKENS
        assert logprobs == pytest.approx(oracle(models_dir, model, tokens, ends), abs=2e-4)
        likelihood = await scored(backend, tokens, steps, model)
        assert likelihood.total_logprob == pytest.approx(math.fsum(logprobs), abs=rounding(kernel, steps))
        assert [entry.token_id for entry in likelihood.tokens] == tokens
    await backend.assert_idle()


async def test_a_picture_that_was_begun_goes_on_in_the_cheapest_groups_of_the_rest(backend, models_dir):
    codes = list(range(20))
    tokens, logprobs, _ = await drawn(backend, picture(steps=5, model=COSTLY, codes=codes))
    rest = StepCosts(BITS).group_ends(20, NUM_TOKENS - 20, 5)
    expected = oracle(models_dir, COSTLY, [*codes, *tokens], (20, *(20 + end for end in rest)))
    assert logprobs == pytest.approx(expected[20:], abs=2e-4)
    content = {"token_lists": [{"ids": [FIRST_CLASS_TOKEN + 3, *codes, *tokens]}]}
    request = ar_pb2.ScoreRequest(model=COSTLY, tokens=content, steps=5, context_tokens=21)
    likelihood = (await backend.stub.Score(request)).likelihoods[0]
    assert [entry.token_id for entry in likelihood.tokens] == tokens
    assert likelihood.total_logprob == pytest.approx(math.fsum(logprobs), abs=1e-6)


async def test_costs_of_other_images_are_refused_at_the_start(tmp_path):
    add_costly(tmp_path, BITS[1:])
    with pytest.raises(ModelError, match=r"step_costs.json: bits: expected 49 rows"):
        async with serving(ArSettings(models_dir=tmp_path, models=[COSTLY], **CPU)):
            pass


def rounding(kernel: str, steps: int) -> float:
    """Return how far two sums may lie apart: torch scores next tokens in one pass, which rounds differently."""
    return 1e-4 if kernel == "torch" and steps == NUM_TOKENS else 1e-6


async def test_a_message_a_step_with_the_picture_so_far(backend):
    request = picture(steps=5)
    request.partial_images = True
    messages = await backend.generate(request)
    ends = np.cumsum([len(message.token_ids) for message in messages]).tolist()
    assert set(ends) <= set(group_ends(NUM_TOKENS, 5))  # what a slow reader finds ready comes together
    tokens = [token_id for message in messages for token_id in message.token_ids]
    for end, message in zip(ends, messages, strict=True):
        image = np.frombuffer(message.image.data, np.uint8).reshape(SIDE, SIDE)
        assert np.array_equal(image, expected_picture(tokens[:end]))
    assert messages[-1].usage.steps == 5
    assert messages[-1].usage.output_tokens == NUM_TOKENS


@pytest.mark.parametrize("steps", [2, 5, 49])
async def test_as_many_pictures_as_asked_for_at_equal_distances(backend, steps):
    request = picture(steps=steps)
    request.num_partial_images = 3
    messages = await backend.generate(request)
    ends = np.cumsum([len(message.token_ids) for message in messages]).tolist()
    assert ends == list(group_ends(NUM_TOKENS, steps))
    tokens = [token_id for message in messages for token_id in message.token_ids]
    found = {end: message.image for end, message in zip(ends, messages, strict=True) if message.HasField("image")}
    quarters = {next(end for end in ends if 4 * end >= number * NUM_TOKENS) for number in (1, 2, 3, 4)}
    assert list(found) == sorted(quarters)
    for end, image in found.items():
        assert np.array_equal(np.frombuffer(image.data, np.uint8).reshape(SIDE, SIDE), expected_picture(tokens[:end]))


def expected_picture(tokens: list[int]) -> np.ndarray:
    """Return [SIDE, SIDE] bytes: each token painted into its cell of the order, black where there is none."""
    codes = np.zeros(NUM_TOKENS, np.int64)
    codes[list(STEPS_ORDER[: len(tokens)])] = tokens
    pixels = np.rint((painted(codes.tolist()) + 1) * 127.5).astype(np.uint8).reshape(SIDE, SIDE)
    for cell in STEPS_ORDER[len(tokens) :]:
        row, column = divmod(cell, 7)
        pixels[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 0
    return pixels


async def test_company_changes_no_byte(backend):
    requests = [picture(label, steps, seed) for seed, steps in enumerate(STEPS * 2) for label in (0, 9)]
    alone = [await drawn(backend, request) for request in requests]
    assert await asyncio.gather(*(drawn(backend, request) for request in requests)) == alone
    await backend.assert_idle()


async def test_without_blocks_for_all_pictures_are_begun_again_and_come_out_the_same(models_dir, kernel):
    requests = [picture(seed=seed, steps=steps) for seed in range(4) for steps in (6, 20, 49)]
    settings = {"models_dir": models_dir, "models": [NAME], "kernel": kernel, **CPU}
    async with serving(ArSettings(**settings, kv_cache_tokens=96, max_num_sequences=8)) as tight:
        crowded = await asyncio.gather(*(drawn(tight, request) for request in requests))
        assert tight.sample("tandem_preemptions_total", model=NAME) > 0
        await tight.assert_idle()
        assert [await drawn(tight, request) for request in requests] == list(crowded)


async def test_drafts_save_steps_and_change_no_byte(backend, models_dir, kernel):
    requests = [picture(label, seed=seed) for label in (0, 4, 9) for seed in range(4)]
    requests += [picture(seed=5, temperature=0.0), picture(seed=6, top_p=0.7, frequency_penalty=0.5)]
    requests.append(picture(seed=7, codes=range(20)))
    steps_before = backend.sample("tandem_step_seconds_count", model=NAME)
    with_drafts = [await drawn(backend, request) for request in requests]
    num_steps = backend.sample("tandem_step_seconds_count", model=NAME) - steps_before
    num_tokens = sum(len(tokens) for tokens, _, _ in with_drafts)
    assert num_steps < num_tokens  # of random weights few predictions come true
    num_accepted = backend.sample("tandem_drafted_accepted_tokens_total", model=NAME)
    assert 0 < num_accepted < backend.sample("tandem_drafted_tokens_total", model=NAME)
    await backend.assert_idle()
    settings = {"models_dir": models_dir, "models": [NAME], "kernel": kernel, **CPU}
    async with serving(ArSettings(**settings, kv_cache_tokens=512, speculative_tokens=0)) as plain:
        assert [await drawn(plain, request) for request in requests] == with_drafts
        assert plain.sample("tandem_drafted_tokens_total", model=NAME) == 0


async def test_drafts_of_the_released_model_save_half_of_the_steps():
    settings = {"models": ["fashion-sar"], **CPU, "kv_cache_tokens": 512}
    requests = [ar_pb2.GenerateRequest(class_label=label, sampling={"seed": label}) for label in range(10)]
    async with (
        serving(ArSettings(**settings)) as drafting,
        serving(ArSettings(**settings, speculative_tokens=0)) as plain,
    ):
        with_drafts = [await drawn(drafting, request) for request in requests]
        assert [await drawn(plain, request) for request in requests] == with_drafts
        steps = [each.sample("tandem_step_seconds_count", model="fashion-sar") for each in (drafting, plain)]
    assert steps[0] < 0.5 * steps[1]


async def test_images_are_scored_in_the_order_of_the_model(backend):
    codes = np.random.default_rng(0).integers(0, NUM_CODES, NUM_TOKENS)
    image = np.rint((painted(codes.tolist()) + 1) * 127.5).astype(np.uint8)
    content = {"images": {"shape": [1, SIDE, SIDE, 1], "data": image.tobytes()}, "labels": [3]}
    reply = await backend.stub.Score(ar_pb2.ScoreRequest(model=NAME, images=content, steps=7))
    ordered = codes[list(STEPS_ORDER)].tolist()
    assert [each.token_id for each in reply.likelihoods[0].tokens] == ordered
    expected = await scored(backend, ordered, 7)
    assert reply.likelihoods[0].total_logprob == expected.total_logprob


async def test_other_numbers_are_refused(backend):
    for steps in (0, -1, 50):
        with pytest.raises(grpc.aio.AioRpcError, match=rf"sampling.steps.*{steps}.*1 to 49"):
            await backend.generate(picture(steps=steps))
        with pytest.raises(grpc.aio.AioRpcError, match=rf"steps.*{steps}.*1 to 49"):
            await scored(backend, [0] * NUM_TOKENS, steps)


async def test_a_model_without_a_mask_token_refuses_steps(models_dir):
    settings = ArSettings(models_dir=models_dir, models=["tiny", "tiny-image"], max_context_tokens=256)
    async with serving(settings) as others:
        models = {each.name: each for each in (await others.stub.ListModels(ar_pb2.ListModelsRequest())).models}
        assert not any(model.takes_steps for model in models.values())
        for request in (ar_pb2.GenerateRequest(model="tiny-image", class_label=1), ar_pb2.GenerateRequest(text="The")):
            request.sampling.steps = 4
            with pytest.raises(grpc.aio.AioRpcError, match=r"sampling.steps.*this model generates one token per step"):
                await others.generate(request)
        with pytest.raises(grpc.aio.AioRpcError, match=r"steps.*this model generates one token per step"):
            await others.stub.Score(ar_pb2.ScoreRequest(texts={"texts": ["The clocks"]}, steps=2))
