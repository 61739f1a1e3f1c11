"""The same seed gives the same text, tokens, log-probabilities and images through the protocol as over gRPC."""

from __future__ import annotations

import base64
import io
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.integration.gateway.protocols.backends import IMAGES, PICTURES, TEXT
from tests.integration.gateway.protocols.openai.events import Stubs, events_of

PROMPT = "The two clocks in the station <|end|> w\u00f6rld"
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "greedy": {"temperature": 0.0},
    "choices": {"n": 3},
    "truncated": {"top_p": 0.9, "top_k": 40, "min_p": 0.01, "temperature": 1.3},
    "penalties": {"presence_penalty": 0.5, "frequency_penalty": -0.25, "repetition_penalty": 1.2},
    "biased": {"logit_bias": {"300": 5.0, "301": -100.0}},
    "stops": {"stop": ["e", "a"], "min_tokens": 3},
    "several a step": {"tokens_per_step": 3, "temperature": 1.3},
    "drafts": {"speculative_tokens": 2, "temperature": 0.5},
    "stop tokens": {"stop_token_ids": list(range(280, 340)), "ignore_eos": True},
}


def sampling(seed: int, **options: Any) -> ar_pb2.SamplingParams:
    bias = {int(key): value for key, value in options.pop("logit_bias", {}).items()}
    return ar_pb2.SamplingParams(seed=seed, max_tokens=20, logit_bias=bias, **options)


async def complete(stubs: Stubs, **fields: Any) -> ar_pb2.CompleteResponse:
    request = ar_pb2.GenerateRequest(model=TEXT, **fields)
    reply: ar_pb2.CompleteResponse = await stubs.ar.Complete(ar_pb2.CompleteRequest(generate=request))
    return reply


def split(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options as the client takes them: what is not OpenAI's goes into extra_body."""
    extra = ["top_k", "min_p", "repetition_penalty", "min_tokens", "stop_token_ids", "ignore_eos"]
    extra += ["tokens_per_step", "speculative_tokens"]
    own = {name: value for name, value in options.items() if name not in extra}
    return {**own, "extra_body": {name: value for name, value in options.items() if name in extra}}


@pytest.mark.parametrize("case", OPTIONS)
async def test_completions_are_those_of_grpc(client: openai.AsyncOpenAI, stubs: Stubs, case: str) -> None:
    options = OPTIONS[case]
    expected = await complete(stubs, text=PROMPT, logprobs=True, top_logprobs=2, sampling=sampling(7, **options))
    asked: dict[str, Any] = {"model": TEXT, "prompt": PROMPT, "seed": 7, "max_tokens": 20, "logprobs": 2}
    found = await client.completions.create(**asked, **split(options))
    assert found.system_fingerprint == expected.usage.fingerprint
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (
        expected.usage.prompt_tokens,
        expected.usage.output_tokens,
    )
    assert [choice.index for choice in found.choices] == list(range(len(expected.choices)))
    for choice, whole in zip(found.choices, expected.choices, strict=True):
        assert choice.text == whole.text_delta
        assert choice.finish_reason == {1: "stop", 2: "length"}[whole.finish_reason]
        assert choice.logprobs is not None
        assert choice.logprobs.token_logprobs == [each.logprob for each in whole.logprobs]
        for top, entry in zip(choice.logprobs.top_logprobs or (), whole.logprobs, strict=True):
            assert set(top.values()) == {entry.logprob, *(each.logprob for each in entry.alternatives)}


@pytest.mark.parametrize("case", OPTIONS)
async def test_chats_are_those_of_grpc_whole_and_in_a_stream(
    client: openai.AsyncOpenAI, stubs: Stubs, case: str
) -> None:
    options = OPTIONS[case]
    turn = ar_pb2.ChatMessage(role="user", content=PROMPT)
    chat = ar_pb2.ChatPrompt(messages=[turn])
    expected = await complete(stubs, chat=chat, logprobs=True, top_logprobs=2, sampling=sampling(9, **options))
    messages = [{"role": "user", "content": [{"type": "text", "text": PROMPT}]}]
    asked = {"model": TEXT, "messages": messages, "seed": 9, "max_completion_tokens": 20, **split(options)}
    found = await client.chat.completions.create(**asked, logprobs=True, top_logprobs=2)
    assert [choice.message.content for choice in found.choices] == [each.text_delta for each in expected.choices]
    for choice, whole in zip(found.choices, expected.choices, strict=True):
        assert choice.finish_reason == {1: "stop", 2: "length"}[whole.finish_reason]
        assert choice.logprobs is not None
        entries = choice.logprobs.content or []
        assert [(bytes(each.bytes or ()), each.logprob) for each in entries] == [
            (each.token, each.logprob) for each in whole.logprobs
        ]
        assert [[top.logprob for top in each.top_logprobs] for each in entries] == [
            [top.logprob for top in each.alternatives] for each in whole.logprobs
        ]
    stream = await client.chat.completions.create(
        **asked, logprobs=True, stream=True, stream_options={"include_usage": True}
    )
    texts, bytes_, usage = [""] * len(expected.choices), [b""] * len(expected.choices), None
    async for chunk in stream:
        assert chunk.choices or chunk.usage
        usage = chunk.usage
        for part in chunk.choices:
            texts[part.index] += part.delta.content or ""
            for entry in (part.logprobs.content if part.logprobs else None) or ():
                bytes_[part.index] += bytes(entry.bytes or ())
    assert texts == [each.text_delta for each in expected.choices]
    assert bytes_ == [b"".join(entry.token for entry in each.logprobs) for each in expected.choices]
    assert usage is not None
    assert usage.completion_tokens == expected.usage.output_tokens


@pytest.mark.parametrize("case", OPTIONS)
async def test_a_streamed_completion_is_the_whole_one(http: httpx.AsyncClient, case: str) -> None:
    body = {"prompt": [PROMPT, "in the"], "seed": 3, "max_tokens": 20, "logprobs": 1, "echo": True, **OPTIONS[case]}
    whole = (await http.post("/v1/completions", json=body)).json()
    parts = await events_of(
        http, "/v1/completions", {**body, "stream": True, "stream_options": {"include_usage": True}}
    )
    *chunks, last = parts
    for usage in (whole["usage"], last["usage"]):  # what was in the cache, and what was tried ahead, may differ
        usage.pop("prompt_tokens_details")
        usage.pop("completion_tokens_details", None)
    assert (last["choices"], last["usage"]) == ([], whole["usage"])
    for choice in whole["choices"]:
        own = [each for chunk in chunks for each in chunk["choices"] if each["index"] == choice["index"]]
        assert "".join(each["text"] for each in own) == choice["text"]
        for name, values in choice["logprobs"].items():
            assert [value for each in own for value in each["logprobs"][name]] == values
        assert [each["finish_reason"] for each in own[:-1]] == [None] * (len(own) - 1)
        assert own[-1]["finish_reason"] == choice["finish_reason"]


async def test_offsets_tell_where_tokens_begin(http: httpx.AsyncClient) -> None:
    body = {"prompt": PROMPT, "seed": 4, "max_tokens": 40, "logprobs": 0, "echo": True, "ignore_eos": True}
    [choice] = (await http.post("/v1/completions", json=body)).json()["choices"]
    table, num_checked = choice["logprobs"], 0
    for offset, token in zip(table["text_offset"], table["tokens"], strict=True):
        if "\ufffd" in choice["text"][:offset]:
            break  # a random model's bytes are often no text, and how many signs stand for them is the decoder's secret
        if not token.startswith(("bytes:", "<")):
            assert choice["text"][offset:].startswith(token)
            num_checked += 1
    assert num_checked > 10


@pytest.mark.parametrize("seed", [0, 2**64 - 1, -1, -(2**63)])
async def test_every_seed_is_one_of_grpc_s(client: openai.AsyncOpenAI, stubs: Stubs, seed: int) -> None:
    expected = await complete(stubs, text="a", sampling=sampling(seed % 2**64))
    found = await client.completions.create(model=TEXT, prompt="a", seed=seed, max_tokens=20)
    assert found.choices[0].text == expected.choices[0].text_delta


async def test_many_prompts_keep_their_order(client: openai.AsyncOpenAI, stubs: Stubs) -> None:
    prompts = [[5 + number, 200, 17] for number in range(40)]
    found = await client.completions.create(model=TEXT, prompt=prompts, n=2, seed=1, max_tokens=20)
    assert [choice.index for choice in found.choices] == list(range(80))
    for number in (0, 17, 39):
        tokens = ar_pb2.TokenPrompt(ids=prompts[number])
        expected = await complete(stubs, tokens=tokens, sampling=sampling(1, n=2))
        texts = [choice.text for choice in found.choices[2 * number : 2 * number + 2]]
        assert texts == [each.text_delta for each in expected.choices]


async def test_pictures_in_parallel_are_those_of_sample(client: openai.AsyncOpenAI, stubs: Stubs) -> None:
    request = gan_pb2.SampleRequest(count=3, labels=[7], seed=11, encoding=images_pb2.ENCODING_PNG)
    expected = await stubs.gan.Sample(request)
    for prompt in ("7", " SNEAKER "):
        found = await client.images.generate(model=IMAGES, prompt=prompt, n=3, extra_body={"seed": 11})
        assert [base64.b64decode(each.b64_json or "") for each in found.data or ()] == list(expected.images.png)
    anything = await client.images.generate(model=IMAGES, prompt="", extra_body={"seed": 11})
    expected = await stubs.gan.Sample(gan_pb2.SampleRequest(seed=11, encoding=images_pb2.ENCODING_PNG))
    assert [base64.b64decode(each.b64_json or "") for each in anything.data or ()] == list(expected.images.png)


async def test_pictures_in_sequence_are_those_of_complete_and_of_the_stream(
    client: openai.AsyncOpenAI, stubs: Stubs
) -> None:
    params = ar_pb2.SamplingParams(seed=11, n=2)
    request = ar_pb2.GenerateRequest(
        model=PICTURES, class_label=3, sampling=params, image_encoding=images_pb2.ENCODING_PNG
    )
    expected = await stubs.ar.Complete(ar_pb2.CompleteRequest(generate=request))
    found = await client.images.generate(model=PICTURES, prompt="class 3", n=2, extra_body={"seed": 11})
    assert [base64.b64decode(each.b64_json or "") for each in found.data or ()] == [
        choice.image.png[0] for choice in expected.choices
    ]
    assert found.usage is not None
    assert found.usage.output_tokens == 98
    stream = await client.images.generate(
        model=PICTURES, prompt="3", stream=True, partial_images=3, extra_body={"seed": 11}
    )
    events = [event async for event in stream]
    assert {event.type for event in events[:-1]} == {"image_generation.partial_image"}
    assert events[-1].type == "image_generation.completed"
    assert [event.partial_image_index for event in events[:-1]] == [0, 1, 2]
    drawn = [base64.b64decode(event.b64_json) for event in events]
    assert drawn[-1] == expected.choices[0].image.png[0]
    # An image on the way is the finished one, as far as it is.
    *partial, finished = [np.asarray(Image.open(io.BytesIO(png))) for png in drawn]
    assert all(((picture == finished) | (picture == 0)).all() for picture in partial)
    sizes = [np.count_nonzero(picture) for picture in (*partial, finished)]
    assert sizes == sorted(set(sizes))
