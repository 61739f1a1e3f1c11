"""Both clients against a fake gateway: the same calls, the same values, the same errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from runtime.rpc.routes import PARALLEL, SEQUENTIAL
from runtime.server.server import RpcServer
from tandem import client as tandem
from tandem.cli.servers.ports import free_ports
from tandem.client import Message
from tandem.common.v1 import images_pb2
from tandem.shared.errors import InvalidArgument
from tests.integration.gateway.fakes import FakeBackend
from tests.integration.tandem.client.conftest import Caller
from tests.integration.tandem.fakes import FakeGateway, FakeParallel, FakeSequential


async def test_generate_streams_chunks(call: Caller) -> None:
    chunks = await call("generate", "Hi", max_tokens=3)
    assert "".join(chunk.text for chunk in chunks) == "Hello wörld"
    assert [chunk.token_ids for chunk in chunks] == [(0,), (1,), (2,), ()]
    assert chunks[-1].finish_reason == "length"
    assert chunks[-1].usage == tandem.Usage(3, 0, 3, 7)
    assert chunks[-1].timings.decode_seconds == 0.02


async def test_complete_puts_choices_together(call: Caller) -> None:
    completion = await call("complete", "Hi", n=2, logprobs=True, top_logprobs=1)
    assert [choice.text for choice in completion.choices] == ["Hello wörld!"] * 2
    assert completion.text == "Hello wörld!"
    assert completion.choices[0].logprobs[0].alternatives[0].token == b"other0"
    assert completion.usage.output_tokens == 8


async def test_every_option_and_a_conversation_arrive(call: Caller, gateway: FakeGateway) -> None:
    counts = {"max_tokens": 1, "top_k": 5, "seed": 2**64 - 1, "min_tokens": 1, "ignore_eos": True, "n": 2}
    shares = {"temperature": 0.0, "top_p": 0.5, "min_p": 0.25, "repetition_penalty": 1.5, "presence_penalty": 0.5}
    options = {**counts, **shares, "frequency_penalty": -0.5}
    await call("generate", [5, 6], **options, stop=["a", "b"], stop_token_ids=[3], logit_bias={4: -100.0})
    await call("complete", [Message("system", "Be short."), Message("user", "Hi")])
    request, chat = gateway.sequential.requests
    assert list(request.tokens.ids) == [5, 6]
    assert {name: getattr(request.sampling, name) for name in options} == options
    assert request.sampling.HasField("temperature")
    assert list(request.sampling.stop) == ["a", "b"]
    assert dict(request.sampling.logit_bias) == {4: -100.0}
    told = [(message.role, message.content) for message in chat.chat.messages]
    assert told == [("system", "Be short."), ("user", "Hi")]


@pytest.mark.parametrize("contents", [["ab", "cd", "ef"], [[1, 2], [3, 4], [5, 6]]])
async def test_score_many_keeps_the_order(call: Caller, contents: Any) -> None:
    scores = await call("score_many", contents)
    assert [score.total_logprob for score in scores] == [-1.5, -2.5, -3.5]
    assert all(score.timings.decode_seconds == 0.5 for score in scores)


@pytest.mark.parametrize("shape", [(2, 4, 4), (2, 4, 4, 1)])
async def test_score_images(call: Caller, gateway: FakeGateway, shape: tuple[int, ...]) -> None:
    scores = await call("score_images", np.full(shape, 7, np.uint8), [0, 2])
    assert [score.total_logprob for score in scores] == [-1.5, -2.5]
    content = gateway.sequential.scored[0].images
    assert (list(content.images.shape), list(content.labels)) == ([2, 4, 4, 1], [0, 2])
    assert content.images.data == bytes([7]) * 32


async def test_a_picture_grows(call: Caller, gateway: FakeGateway) -> None:
    options = {"partial_images": True, "image_encoding": "uint8", "model": "fake-image"}
    chunks = await call("generate", label="Coat", max_tokens=4, **options)
    assert [chunk.image.pixels[0, 0, 0, 0] for chunk in chunks] == [1, 2, 3, 4, 4]
    assert [chunk.text for chunk in chunks] == [""] * 5
    request = gateway.sequential.requests[0]
    assert (request.class_label, request.partial_images, request.model) == (2, True, "fake-image")
    assert request.image_encoding == images_pb2.ENCODING_RAW_UINT8


@pytest.mark.parametrize("encoding", ["uint8", "png"])
async def test_sample_returns_pixels(call: Caller, encoding: str) -> None:
    images = await call("sample", 3, labels=2, seed=10, encoding=encoding)
    assert images.pixels.shape == (3, 4, 4, 1)
    assert images.pixels[:, 0, 0, 0].tolist() == [10, 11, 12]
    assert (images.labels, images.seed) == ((2, 2, 2), 10)
    assert images.timings.compute_seconds == 0.004


async def test_classes_have_names(call: Caller, gateway: FakeGateway) -> None:
    images = await call("sample", 2, labels=["coat", "BAG"], seed=3)
    await call("sample_stream", 2, labels="bag", timeout_seconds=60)
    await call("complete", label="bag")
    await call("score_images", np.zeros((2, 4, 4), np.uint8), "bag")
    await call("discriminate", images, labels=["sneaker", "1"])
    sampled, streamed, judged = gateway.parallel.requests
    assert (list(sampled.labels), list(streamed.sample.labels), list(judged.labels)) == ([2, 1], [1], [0, 1])
    assert gateway.sequential.requests[0].class_label == 1
    assert list(gateway.sequential.scored[0].images.labels) == [1, 1]


async def test_an_unknown_class_is_told_with_those_there_are(call: Caller, gateway: FakeGateway) -> None:
    for method, options in (("sample", {"labels": ["hat"]}), ("generate", {"label": "hat"})):
        with pytest.raises(tandem.InvalidArgument, match="there is no class 'hat'; there are: sneaker, bag, coat"):
            await call(method, **options)
    with pytest.raises(tandem.NotFound, match="there is no 'other'; there are: fake-gan"):
        await call("sample", model="other", labels="bag")
    assert not gateway.parallel.requests + gateway.sequential.requests


async def test_sample_stream_returns_parts_in_order(call: Caller) -> None:
    parts = await call("sample_stream", 5, images_per_message=2, seed=1)
    assert [part.first_index for part in parts] == [0, 2, 4]
    assert [len(part) for part in parts] == [2, 2, 1]


async def test_sample_that_fits_no_reply_comes_as_a_stream(call: Caller, gateway: FakeGateway) -> None:
    gateway.parallel.max_reply_images = 4
    images = await call("sample", 5, labels=2, seed=10, timeout_seconds=30)
    assert images.pixels[:, 0, 0, 0].tolist() == [10, 11, 12, 13, 14]
    assert (images.labels, images.seed, images.first_index) == ((2,) * 5, 10, 0)
    refused, streamed = gateway.parallel.requests
    assert streamed.sample == refused
    assert not streamed.HasField("images_per_message")


async def test_discriminate_takes_what_sample_gave(call: Caller, gateway: FakeGateway) -> None:
    images = await call("sample", 2, labels=1, seed=3)
    verdict = await call("discriminate", images)
    assert verdict.scores.tolist() == [0, 1]
    assert verdict.features.shape == (2, 2)
    request = gateway.parallel.requests[-1]
    assert (list(request.labels), request.images.encoding) == ([1, 1], images_pb2.ENCODING_RAW_UINT8)


async def test_list_models(call: Caller) -> None:
    models = await call("list_models")
    assert [model.name for model in models.sequential] == ["fake-text", "fake-image"]
    assert models.sequential[1].class_names == models.parallel[0].class_names
    assert (models.sequential[1].image_shape, models.sequential[0].image_shape) == ((4, 4, 1), ())
    assert models.parallel[0].class_names == ("sneaker", "bag", "coat")
    assert models.parallel[0].image_shape == (4, 4, 1)


@pytest.mark.parametrize(("paradigm", "served"), [(SEQUENTIAL, (2, 0)), (PARALLEL, (0, 1))])
async def test_a_backend_lists_its_own_models_alone(call_at: Caller, paradigm: str, served: tuple[int, int]) -> None:
    async with FakeBackend(paradigm, FakeSequential() if paradigm == SEQUENTIAL else FakeParallel()) as backend:
        models = await call_at(backend.target, "list_models", timeout_seconds=30)
    assert (len(models.sequential), len(models.parallel)) == served


async def test_a_server_of_neither_paradigm_has_no_list(call_at: Caller) -> None:
    server = RpcServer("127.0.0.1", 0, [], [])
    await server.start()
    with pytest.raises(tandem.Unimplemented):
        await call_at(f"127.0.0.1:{server.port}", "list_models")
    await server.stop(0)


async def test_invalid_argument_names_the_field(call: Caller, gateway: FakeGateway) -> None:
    gateway.sequential.error = InvalidArgument("sampling.top_p", 2.0, "above 0 to 1")
    with pytest.raises(tandem.InvalidArgument, match=r"top_p: 2\.0") as caught:
        await call("complete", "Hi")
    assert (caught.value.code, caught.value.violations[0].field) == ("INVALID_ARGUMENT", "sampling.top_p")


async def test_nobody_at_the_address(call_at: Caller) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(tandem.NotReachable, match=address):
        await call_at(address, "score", "ab")
