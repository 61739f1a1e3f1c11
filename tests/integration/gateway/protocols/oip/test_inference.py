"""Inference with Triton's own client: the same bytes as over our own RPCs, in the tensors that clients expect."""

from __future__ import annotations

import json

import numpy as np
from tritonclient.grpc.aio import InferenceServerClient as Client

from tests.integration.gateway.protocols.backends import IMAGES, PICTURES, TEXT
from tests.integration.gateway.protocols.oip.inputs import (
    completed,
    drawn,
    labels,
    picture_inputs,
    sampled,
    seeds,
    tensor,
    text_inputs,
)
from tests.integration.gateway.running import RunningGateway

SAMPLING = {"max_tokens": 12, "seed": 2**63 + 5, "temperature": 1.5, "ignore_eos": True}


async def test_text_is_that_of_our_own_rpc(gateway: RunningGateway, client: Client) -> None:
    expected = await completed(gateway, "The clock", **SAMPLING)
    result = await client.infer(TEXT, text_inputs("The clock", SAMPLING), request_id="17")
    [text] = result.as_numpy("text_output")
    assert text.decode() == expected.choices[0].text_delta
    reply = result.get_response()
    assert (reply.id, reply.model_name, int(reply.model_version)) == ("17", TEXT, 1)
    assert [output.name for output in reply.outputs] == ["text_output"]
    assert reply.parameters["seed"].uint64_param == SAMPLING["seed"]
    assert reply.parameters["fingerprint"].string_param == expected.usage.fingerprint


async def test_parameters_of_the_request_count_beside_the_tensor(gateway: RunningGateway, client: Client) -> None:
    expected = await completed(gateway, "a", max_tokens=9, seed=4)
    for inputs, parameters in (
        (text_inputs("a"), {"max_tokens": 9, "seed": 4}),
        (text_inputs("a", {"seed": 4}), {"max_tokens": 9, "seed": 5}),
    ):
        result = await client.infer(TEXT, inputs, parameters=parameters)
        assert result.as_numpy("text_output")[0].decode() == expected.choices[0].text_delta


async def test_the_prompt_comes_first_if_asked_for(gateway: RunningGateway, client: Client) -> None:
    expected = await completed(gateway, "Früh", n=2, **SAMPLING)
    result = await client.infer(TEXT, text_inputs("Früh", {**SAMPLING, "n": 2}, exclude_input_in_output=False))
    texts = [text.decode() for text in result.as_numpy("text_output")]
    assert texts == [f"Früh{choice.text_delta}" for choice in expected.choices]


async def test_what_else_may_be_returned(gateway: RunningGateway, client: Client) -> None:
    expected = await completed(gateway, "The clock", n=2, **SAMPLING)
    names = ("finish_reason", "cumulative_logprob", "logprobs", "num_input_tokens", "num_output_tokens")
    flags = {f"return_{name}": True for name in names}
    result = await client.infer(TEXT, text_inputs("The clock", {**SAMPLING, "n": 2, "logprobs": 2}, **flags))
    assert list(result.as_numpy("finish_reason")) == [b"length", b"length"]
    assert list(result.as_numpy("num_input_tokens")) == [expected.usage.prompt_tokens]
    assert list(result.as_numpy("num_output_tokens")) == [12, 12]
    for index, choice in enumerate(expected.choices):
        total = sum(token.logprob for token in choice.logprobs)
        assert result.as_numpy("cumulative_logprob")[index] == np.float32(total)
        entries = json.loads(result.as_numpy("logprobs")[index])
        told = [entry[str(token.token_id)]["logprob"] for entry, token in zip(entries, choice.logprobs, strict=True)]
        assert told == [token.logprob for token in choice.logprobs]
        assert all({1, 2} <= {each["rank"] for each in entry.values()} for entry in entries)


async def test_a_batch_has_a_seed_a_row(gateway: RunningGateway, client: Client) -> None:
    pairs = [(5, 1), (2**64 - 1, 9), (5, 2)]
    alone = [(await sampled(gateway, seed=seed, labels=[label])).images.data for seed, label in pairs]
    result = await client.infer(IMAGES, [seeds(*(seed for seed, _ in pairs)), labels(*(label for _, label in pairs))])
    assert [image.tobytes() for image in result.as_numpy("images")] == alone


async def test_one_seed_for_a_batch_draws_what_sample_draws(gateway: RunningGateway, client: Client) -> None:
    expected = await sampled(gateway, count=3, seed=8, labels=[1, 2, 3])
    result = await client.infer(IMAGES, [seeds(8), labels(1, 2, 3)])
    assert result.as_numpy("images").tobytes() == expected.images.data


async def test_without_a_seed_the_reply_tells_it(gateway: RunningGateway, client: Client) -> None:
    result = await client.infer(IMAGES, [labels(3, 3)])
    seed = result.get_response().parameters["seed"].uint64_param
    expected = await sampled(gateway, count=2, seed=seed, labels=[3])
    assert result.as_numpy("images").tobytes() == expected.images.data


async def test_latents_say_more_than_a_seed(gateway: RunningGateway, client: Client) -> None:
    config = (await client.get_model_config(IMAGES)).config
    [latent_dim] = next(each.dims for each in config.input if each.name == "latents")
    vectors = np.random.default_rng(1).standard_normal((2, latent_dim)).astype(np.float32)
    expected = await sampled(gateway, count=2, labels=[4], latents={"values": vectors.ravel()})
    result = await client.infer(IMAGES, [seeds(1, 2), labels(4), tensor("latents", vectors)])
    assert result.as_numpy("images").tobytes() == expected.images.data


async def test_pictures_in_sequence(gateway: RunningGateway, client: Client) -> None:
    expected = await drawn(gateway, 1, seed=6, n=2, top_k=5)
    result = await client.infer(PICTURES, picture_inputs(1, 6, n="2", top_k="5"))
    pictures = [choice.image.data for choice in expected.choices]
    assert [picture.tobytes() for picture in result.as_numpy("images")] == pictures
    assert result.as_numpy("images").shape == (2, *expected.choices[0].image.shape[1:])
    tokens = [token for choice in expected.choices for token in choice.token_ids]
    assert list(result.as_numpy("token_ids")) == tokens
