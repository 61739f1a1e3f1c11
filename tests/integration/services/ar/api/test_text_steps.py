"""Texts in groups of tokens, over real gRPC: tiny random text models with a MASK token, in both orders."""

import asyncio
import dataclasses
import itertools
import math
from collections.abc import AsyncIterator

import grpc
import pytest
import torch

from services.ar.compute.torch.loading import load_transformer
from services.ar.engine.groups import spread_order
from services.ar.model.weights import open_checkpoint
from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tandem.shared.models import ModelRepository
from tests.integration.services.ar.conftest import Backend, serving
from tests.tiny_models import VOCAB_SIZE, add_to_repository
from training.set_autoregressive.rows import RowAttention, visible_rows

FORWARD, SPREAD, WINDOW = "tiny-forward", "tiny-spread", 32
PROMPT = "The two clocks in the station had been made by"
COUNTS = (1, 2, 3, 8)
CPU = {"device": "cpu", "max_context_tokens": 256, "max_caller_share": 1.0}


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text-steps")
    add_to_repository(folder)
    add_to_repository(folder, FORWARD, window=0)
    add_to_repository(folder, SPREAD, window=WINDOW)
    return folder


@pytest.fixture(scope="module", params=["native", "torch"])
def kernel(request) -> str:
    return request.param


@pytest.fixture
async def backend(models_dir, kernel) -> AsyncIterator[Backend]:
    limits = {"max_num_sequences": 32, "max_queued_sequences": 64, "kv_cache_tokens": 2048, "speculative_tokens": 0}
    settings = ArSettings(models_dir=models_dir, models=[FORWARD, SPREAD], kernel=kernel, **CPU, **limits)
    async with serving(settings) as running:
        yield running


def text(
    model: str,
    tokens_per_step: int = 1,
    seed: int = 1,
    prompt: str = PROMPT,
    given: dict[int, int] | None = None,
    **other,
) -> ar_pb2.GenerateRequest:
    sampling = {"seed": seed, "max_tokens": 20, "ignore_eos": True, "tokens_per_step": tokens_per_step} | other
    return ar_pb2.GenerateRequest(model=model, text=prompt, logprobs=True, sampling=sampling, given_tokens=given)


@dataclasses.dataclass
class Written:
    """A request's only choice; `tokens` and `logprobs` in the order of the text."""

    tokens: list[int]
    logprobs: list[float]
    text: str
    messages: list[ar_pb2.GenerateResponse]


async def written(backend: Backend, request: ar_pb2.GenerateRequest) -> Written:
    messages = await backend.generate(request)
    tokens = [token_id for message in messages for token_id in message.token_ids]
    logprobs = [entry.logprob for message in messages for entry in message.logprobs]
    if places := [place for message in messages for place in message.places]:
        assert len(set(places)) == len(tokens)
        tokens, logprobs = (
            [value for _, value in sorted(zip(places, part, strict=True))] for part in (tokens, logprobs)
        )
    return Written(tokens, logprobs, "".join(message.text_delta for message in messages), messages)


async def prompt_ids(backend: Backend, prompt: str = PROMPT, model: str = FORWARD) -> list[int]:
    return list((await backend.stub.Tokenize(ar_pb2.TokenizeRequest(model=model, text=prompt))).ids)


async def scored(backend: Backend, model: str, context: list[int], tokens: list[int], tokens_per_step: int):
    content = {"token_lists": [{"ids": [*context, *tokens]}]}
    request = ar_pb2.ScoreRequest(
        model=model, tokens=content, tokens_per_step=tokens_per_step, context_tokens=len(context)
    )
    return (await backend.stub.Score(request)).likelihoods[0]


@torch.inference_mode()
def oracle(models_dir, model: str, prompt: list[int], tokens, count: int, order: list[int], starts=None) -> list[float]:
    """Return the log-probability of each token, in the order of the text, as the training computes it.

    `starts`: where the groups of tokens begin, if they are not all of `count`.
    """
    path = ModelRepository(models_dir).get(model).transformer_path()
    transformer = load_transformer(open_checkpoint(path), torch.float32, torch.device("cpu"))
    transformer.prepare(256)
    starts = torch.tensor(starts or [[number // count * count for number in range(len(tokens))]])
    places = torch.tensor(order)
    contents = torch.tensor([*prompt, *(tokens[place] for place in order)])[:-1]
    ids = torch.cat([contents, torch.full((len(tokens),), VOCAB_SIZE)])
    positions = torch.cat([torch.arange(len(prompt)), len(prompt) + places])
    positions = torch.cat([positions[:-1], len(prompt) + places])
    hidden = transformer(ids, positions, RowAttention(visible_rows(starts, len(prompt))))
    rows = slice(len(prompt) - 1, len(contents)) if model == FORWARD and count == 1 else slice(len(contents), None)
    logprobs = transformer.logits(hidden)[rows, :VOCAB_SIZE].log_softmax(dim=-1)
    found = logprobs[range(len(tokens)), [tokens[place] for place in order]].tolist()
    return [value for _, value in sorted(zip(order, found, strict=True))]


def order_of(model: str, count: int = 20) -> list[int]:
    return list(range(count)) if model == FORWARD else list(spread_order(count, WINDOW))


async def test_each_number_of_tokens_a_step_draws_what_the_training_computes_and_score_prices_it(
    backend, models_dir, kernel
):
    context = await prompt_ids(backend)
    for model, count in itertools.product((FORWARD, SPREAD), COUNTS):
        found = await written(backend, text(model, count))
        assert len(found.tokens) == 20
        expected = oracle(models_dir, model, context, found.tokens, count, order_of(model))
        assert found.logprobs == pytest.approx(expected, abs=3e-4)
        likelihood = await scored(backend, model, context, found.tokens, count)
        assert [entry.token_id for entry in likelihood.tokens] == found.tokens
        if kernel == "native":
            assert likelihood.total_logprob == math.fsum(found.logprobs)
        assert likelihood.total_logprob == pytest.approx(math.fsum(found.logprobs), abs=1e-3)
    await backend.assert_idle()


def mixed_requests() -> list[ar_pb2.GenerateRequest]:
    """Return requests of both models: greedy, sampled, with penalties, cut by an end token, with long prompts."""
    long = PROMPT * 6
    requests = [text(model, count, seed) for seed, count in enumerate(COUNTS * 2) for model in (FORWARD, SPREAD)]
    for model in (FORWARD, SPREAD):
        requests.append(text(model, 3, prompt=long, temperature=0.0))
        requests.append(text(model, 8, frequency_penalty=0.5, repetition_penalty=1.2, top_p=0.8))
        requests.append(text(model, 4, stop_token_ids=list(range(0, 380, 9)), min_tokens=3))
    return [*requests, text(SPREAD, 2, given={3: 50, 4: 51, 11: 52})]


async def test_company_changes_no_byte(backend):
    requests = mixed_requests()
    alone = [await written(backend, request) for request in requests]
    together = await asyncio.gather(*(written(backend, request) for request in requests))
    for one, other in zip(alone, together, strict=True):
        assert (one.tokens, one.logprobs, one.text) == (other.tokens, other.logprobs, other.text)
    await backend.assert_idle()


async def test_without_blocks_for_all_texts_are_begun_again_and_come_out_the_same(models_dir, kernel):
    """Prompts do not fit a step, either."""
    settings = {"models_dir": models_dir, "models": [FORWARD, SPREAD], "kernel": kernel, **CPU}
    limits = {"max_num_sequences": 8, "max_queued_sequences": 64, "speculative_tokens": 0}
    budget = 140 if kernel == "torch" else 40
    async with (
        serving(ArSettings(**settings, **limits, kv_cache_tokens=256, max_batch_tokens=budget)) as tight,
        serving(ArSettings(**settings, **limits, kv_cache_tokens=2048, prefix_cache=False)) as roomy,
    ):
        requests = mixed_requests()
        for _ in range(30):  # on a busy machine they may come one after another
            crowded = await asyncio.gather(*(written(tight, request) for request in requests))
            if was_tight := any(tight.sample("tandem_preemptions_total", model=name) for name in (FORWARD, SPREAD)):
                break
        assert was_tight
        await tight.assert_idle()
        for request, found in zip(requests, crowded, strict=True):
            expected = await written(roomy, request)
            assert (found.tokens, found.logprobs, found.text) == (expected.tokens, expected.logprobs, expected.text)


async def test_a_prompt_that_was_computed_before_is_found_in_the_cache_and_changes_nothing(backend, kernel):
    if kernel == "torch":
        pytest.skip("torch shares chunks of 128 tokens")
    for model in (FORWARD, SPREAD):
        first, again = [await written(backend, text(model, 3, prompt=PROMPT * 2)) for _ in range(2)]
        assert (first.tokens, first.logprobs) == (again.tokens, again.logprobs)
        assert again.messages[-1].usage.cached_tokens > first.messages[-1].usage.cached_tokens
    # What stands at other places in the text is not what is in the cache, though the tokens are the same.
    longer = [*await prompt_ids(backend), *(await written(backend, text(SPREAD))).messages[0].token_ids]
    request = text(SPREAD)
    request.tokens.ids.extend(longer)
    fresh = await written(backend, request)
    likelihood = await scored(backend, SPREAD, longer, fresh.tokens, 1)
    assert likelihood.total_logprob == math.fsum(fresh.logprobs)


async def test_an_end_token_in_a_group_ends_the_text_there(backend):
    whole = await written(backend, text(FORWARD, 8))
    cut = await written(backend, text(FORWARD, 8, stop_token_ids=[whole.tokens[2]], ignore_eos=True))
    end = whole.tokens.index(whole.tokens[2]) + 1
    assert cut.tokens == whole.tokens[:end]
    assert cut.messages[-1].finish_reason == ar_pb2.FINISH_REASON_STOP
    assert cut.messages[-1].usage.output_tokens == end


async def test_an_end_token_of_the_spread_order_ends_the_text_before_it(backend):
    whole = await written(backend, text(SPREAD, 4))
    cut = await written(backend, text(SPREAD, 4, stop_token_ids=[whole.tokens[5]]))
    end = whole.tokens.index(whole.tokens[5])
    assert cut.messages[-1].finish_reason == ar_pb2.FINISH_REASON_STOP
    assert whole.text.startswith(cut.text)
    expected = await backend.stub.Detokenize(ar_pb2.DetokenizeRequest(model=SPREAD, ids=whole.tokens[:end]))
    assert cut.text.rstrip("\ufffd") == expected.text.rstrip("\ufffd")


async def test_stop_strings_hold_in_both_orders(backend):
    for model in (FORWARD, SPREAD):
        whole = await written(backend, text(model, 4))
        stop = whole.text[6:8]
        cut = await written(backend, text(model, 4, stop=[stop]))
        assert cut.text == whole.text[: whole.text.index(stop)]
        assert cut.messages[-1].matched_stop == stop


async def test_given_tokens_stay_and_the_others_are_drawn_around_them(backend, models_dir):
    context = await prompt_ids(backend)
    given = {3: 50, 4: 51, 11: 52, 19: 53}
    found = await written(backend, text(SPREAD, 3, given=given))
    places = [place for message in found.messages for place in message.places]
    rest = [place for place in spread_order(20, WINDOW) if place not in given]
    assert places == rest
    tokens = dict(zip(sorted(rest), found.tokens, strict=True)) | given
    whole = [tokens[place] for place in range(20)]
    text_of = await backend.stub.Detokenize(ar_pb2.DetokenizeRequest(model=SPREAD, ids=whole))
    assert found.text == text_of.text
    starts = [4 * [0] + [4 + number // 3 * 3 for number in range(16)]]
    order = [*given, *rest]
    expected = oracle(models_dir, SPREAD, context, whole, 1, order, starts)
    assert found.logprobs == pytest.approx([expected[place] for place in sorted(rest)], abs=3e-4)
    usage = found.messages[-1].usage
    assert (usage.prompt_tokens, usage.output_tokens) == (len(context) + 4, 16)


async def test_the_text_comes_as_far_as_it_is_known_and_places_with_each_message(backend):
    found = await written(backend, text(SPREAD, 1, max_tokens=WINDOW))
    assert [place for message in found.messages for place in message.places] == list(spread_order(WINDOW, WINDOW))
    complete = await backend.stub.Complete(ar_pb2.CompleteRequest(generate=text(SPREAD, 1, max_tokens=WINDOW)))
    assert list(complete.choices[0].places) == list(spread_order(WINDOW, WINDOW))
    assert complete.choices[0].text_delta == found.text


async def test_checked_texts_take_fewer_steps_and_change_no_byte(models_dir, kernel):
    settings = {"models_dir": models_dir, "models": [FORWARD], "kernel": kernel, **CPU, "kv_cache_tokens": 1024}
    requests = [text(FORWARD, seed=seed, max_tokens=40) for seed in range(8)]
    requests += [text(FORWARD, temperature=0.0), text(FORWARD, top_p=0.7, frequency_penalty=0.5)]
    requests += [
        text(FORWARD, stop_token_ids=list(range(0, 380, 9))),
        text(FORWARD, ignore_eos=False, regex="[a-z ]{30}"),
    ]
    async with (
        serving(ArSettings(**settings)) as checked,
        serving(ArSettings(**settings, speculative_tokens=0)) as plain,
    ):
        for request in requests:
            one, other = await written(checked, request), await written(plain, request)
            assert (one.tokens, one.logprobs, one.text) == (other.tokens, other.logprobs, other.text)
        names = ("tandem_drafted_tokens_total", "tandem_drafted_accepted_tokens_total")
        drafted, accepted = (checked.sample(name, model=FORWARD) for name in names)
        assert 0 < accepted < drafted
        steps = [each.sample("tandem_step_seconds_count", model=FORWARD) for each in (checked, plain)]
        assert steps[0] < steps[1]
        await checked.assert_idle()


async def test_a_context_is_not_scored(backend):
    tokens = await prompt_ids(backend)
    content = {"token_lists": [{"ids": tokens}]}
    whole = await backend.stub.Score(ar_pb2.ScoreRequest(model=FORWARD, tokens=content))
    part = await backend.stub.Score(ar_pb2.ScoreRequest(model=FORWARD, tokens=content, context_tokens=5))
    assert list(part.likelihoods[0].tokens) == list(whole.likelihoods[0].tokens)[4:]


async def test_what_does_not_go_together_is_refused(backend, models_dir):
    cases = {
        r"sampling.tokens_per_step.*1 to 64": text(FORWARD, 65),
        r"sampling.steps": text(FORWARD, steps=4),
        r"sampling.max_tokens.*1 to 32": text(SPREAD, max_tokens=33),
        r"sampling.regex.*each step generates the next token": text(FORWARD, 2, regex="a+"),
        r"sampling.json_object": text(SPREAD, 1, json_object=True),
        r"given_tokens.*from left to right": text(FORWARD, given={1: 5}),
        r"given_tokens.*20.*0 to 19": text(SPREAD, given={20: 5}),
        r"given_tokens.*token ids": text(SPREAD, given={2: VOCAB_SIZE}),
        r"given_tokens.*fewer than max_tokens 2": text(SPREAD, given={0: 1, 1: 2}, max_tokens=2),
    }
    for pattern, request in cases.items():
        with pytest.raises(grpc.aio.AioRpcError, match=pattern):
            await backend.generate(request)
    prompt = text(FORWARD)
    prompt.tokens.ids.append(VOCAB_SIZE)  # MASK
    with pytest.raises(grpc.aio.AioRpcError, match=rf"tokens.*{VOCAB_SIZE}.*token ids 0 to {VOCAB_SIZE - 1}"):
        await backend.generate(prompt)
    for model, context, pattern in ((SPREAD, 3, "at least 8: an output has 32"), (FORWARD, 40, "0 to 39")):
        content = {"token_lists": [{"ids": [5] * 40}]}
        with pytest.raises(grpc.aio.AioRpcError, match=rf"context_tokens.*{pattern}"):
            await backend.stub.Score(ar_pb2.ScoreRequest(model=model, tokens=content, context_tokens=context))
    async with serving(ArSettings(models_dir=models_dir, models=["tiny"], **CPU)) as plain:
        with pytest.raises(grpc.aio.AioRpcError, match=r"sampling.tokens_per_step.*several tokens"):
            await plain.generate(text("tiny", 2))
        assert (await written(plain, text("tiny", 1))).tokens


async def test_the_description_says_what_it_takes(backend):
    models = {each.name: each for each in (await backend.stub.ListModels(ar_pb2.ListModelsRequest())).models}
    assert {name: model.window_tokens for name, model in models.items()} == {FORWARD: 0, SPREAD: WINDOW}
    assert all(model.takes_steps and model.vocab_size == VOCAB_SIZE for model in models.values())
