"""Each bad request gets its clear error, which names the tensor; and thousands of strange ones end in a status."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2
from tritonclient.grpc.aio import InferenceServerClient as Client
from tritonclient.utils import InferenceServerException

from tests.effort import Effort
from tests.faults.attacks.byte_mutation import mutate_bytes
from tests.faults.attacks.field_mutation import mutate_fields
from tests.integration.gateway.protocols.backends import IMAGES, PICTURES, TEXT
from tests.integration.gateway.protocols.oip.inputs import (
    INFER,
    STREAM_INFER,
    labels,
    picture_inputs,
    seeds,
    tensor,
    text_inputs,
)
from tests.integration.gateway.running import RunningGateway


def sampling(**values: Any) -> list[Any]:
    return text_inputs("a", values)


def raw_sampling(text: bytes) -> list[Any]:
    return [*text_inputs("a"), tensor("sampling_parameters", np.array([text], np.object_))]


def latents(*values: float) -> Any:
    return tensor("latents", np.array([values], np.float32))


BAD: dict[str, tuple[str, list[Any], str]] = {
    "no text": (TEXT, [], "text_input: 'no tensor' is not accepted; accepted: BYTES [1]"),
    "empty text": (TEXT, text_inputs(""), "text_input: '' is not accepted"),
    "too long a text": (TEXT, text_inputs("clock " * 500), "at most 255 tokens"),
    "no UTF-8": (TEXT, [tensor("text_input", np.array([b"\xff"], np.object_))], "text_input: b'\\xff' is not accepted"),
    "two texts": (TEXT, [tensor("text_input", np.array([b"a", b"b"], np.object_))], "text_input.shape: [2] is not"),
    "unknown tensor": (TEXT, [*text_inputs("a"), seeds(1)], "inputs: 'seed' is not accepted; accepted: the model's"),
    "twice": (TEXT, [*text_inputs("a"), *text_inputs("b")], "text_input: 'a second tensor' is not accepted"),
    "another type": (TEXT, [tensor("text_input", np.array([1], np.int32))], "text_input.datatype: 'INT32' is not"),
    "temperature": (TEXT, sampling(temperature=-1), "sampling_parameters.temperature: -1.0 is not accepted"),
    "temperature NaN": (TEXT, sampling(temperature=math.nan), "sampling_parameters.temperature: nan is not accepted"),
    "top_p": (TEXT, sampling(top_p="2"), "sampling_parameters.top_p: 2.0 is not accepted; accepted: above 0 to 1"),
    "n": (TEXT, sampling(n=10**9), "sampling_parameters.n: 1000000000 is not accepted; accepted: 1 to 16"),
    "n of 64 bits": (TEXT, sampling(n=2**40), "sampling_parameters.n: 1099511627776 is not accepted"),
    "max_tokens": (TEXT, sampling(max_tokens="many"), "sampling_parameters.max_tokens: 'many' is not accepted"),
    "no max_tokens": (TEXT, sampling(max_tokens=0), "sampling_parameters.max_tokens: 0 is not accepted"),
    "seed": (TEXT, sampling(seed=-1), "sampling_parameters.seed: -1 is not accepted; accepted: a whole number"),
    "stop": (TEXT, sampling(stop=[1]), "sampling_parameters.stop: [1] is not accepted"),
    "empty stop": (TEXT, sampling(stop=""), "sampling_parameters.stop: '' is not accepted"),
    "logprobs": (TEXT, sampling(logprobs=50), "sampling_parameters.logprobs: 50 is not accepted"),
    "unknown parameter": (TEXT, sampling(beam_width=2), "sampling_parameters.beam_width: 2 is not accepted"),
    "a long name": (TEXT, sampling(**{"x" * 60_000: 1}), "sampling_parameters.xxx"),
    "no name": (TEXT, sampling(**{"\ud800": 1}), "sampling_parameters.\\ud800: 1 is not accepted"),
    "no JSON": (TEXT, raw_sampling(b"{"), "sampling_parameters: b'{' is not accepted; accepted: a JSON object"),
    "deep JSON": (TEXT, raw_sampling(b"[" * 60_000), "nested"),
    "large JSON": (TEXT, raw_sampling(b" " * 70_000), "sampling_parameters: '70000 bytes' is not accepted"),
    "label 10": (IMAGES, [labels(10)], "label: 10 is not accepted; accepted: 0 to 9"),
    "label -1": (IMAGES, [labels(1, -1)], "label: -1 is"),
    "batches that differ": (IMAGES, [labels(1, 2), seeds(1, 2, 3)], "label.shape: 'a batch of 2' is not accepted"),
    "a batch too large": (IMAGES, [labels(*[1] * 5000)], "batch: 5000 is not accepted; accepted: 1 to"),
    "an empty batch": (IMAGES, [tensor("label", np.zeros((0, 1), np.int32))], "label.shape: [0, 1] is not accepted"),
    "latents too short": (IMAGES, [latents(1, 2)], "latents.shape: [1, 2] is not accepted; accepted: [-1, "),
    "no class": (PICTURES, [], "label: 'no tensor' is not accepted; accepted: INT32 [1]"),
    "class 99": (PICTURES, picture_inputs(99, 1), "label: 99 is not accepted"),
    "a stop for images": (PICTURES, picture_inputs(1, 1, stop=["a"]), "sampling_parameters.stop"),
    "images too long": (PICTURES, picture_inputs(1, 1, max_tokens=10**6), "sampling_parameters.max_tokens: 1000000"),
}


async def test_a_bad_request_is_told(gateway: RunningGateway, client: Client) -> None:
    for number, (name, (model, inputs, words)) in enumerate(BAD.items(), start=1):
        with pytest.raises(InferenceServerException) as refused:
            await client.infer(model, inputs)
        assert refused.value.status() == "StatusCode.INVALID_ARGUMENT", name
        assert words in refused.value.message(), name
        await gateway.until_idle()
        assert gateway.value("tandem_requests_total", transport="oip", code="INVALID_ARGUMENT") == number, name


@pytest.mark.parametrize("value", [math.nan, math.inf, -3.4e38])
async def test_bad_latents(client: Client, value: float) -> None:
    config = (await client.get_model_config(IMAGES)).config
    [latent_dim] = next(each.dims for each in config.input if each.name == "latents")
    with pytest.raises(InferenceServerException, match=r"^\[StatusCode.INVALID_ARGUMENT\] latents\[0\]: "):
        await client.infer(IMAGES, [latents(value, *[0.0] * (latent_dim - 1))])


def message(model: str, inputs: list[Any], **fields: Any) -> Any:
    """Return the message that Triton's client would send."""
    request = service_pb2.ModelInferRequest(model_name=model, **fields)
    for each in inputs:
        request.inputs.append(each._get_tensor())
        request.raw_input_contents.append(each._get_content())
    return request


def changed(change: Callable[[Any], Any]) -> bytes:
    request = message(IMAGES, [seeds(1), labels(1)])
    change(request)
    raw: bytes = request.SerializeToString()
    return raw


BAD_MESSAGES: dict[str, tuple[bytes, str]] = {
    "garbage": (b"\xff\xff", "request: b'\\xff\\xff' is not accepted; accepted: a inference.ModelInferRequest"),
    "fewer raw": (changed(lambda m: m.raw_input_contents.pop()), "raw_input_contents: '1 tensors' is not accepted"),
    "raw and typed": (
        changed(lambda m: m.inputs[0].contents.uint64_contents.append(1)),
        "seed.contents: 'typed elements' is not accepted",
    ),
    "neither": (changed(lambda m: m.ClearField("raw_input_contents")), "seed: '0 elements' is not accepted"),
    "short": (changed(lambda m: m.raw_input_contents.__setitem__(0, b"abc")), "seed: '3 bytes' is not accepted"),
    "huge shape": (changed(lambda m: m.inputs[0].shape.__setitem__(0, 2**60)), "seed: '8 bytes' is not accepted"),
    "negative shape": (changed(lambda m: m.inputs[0].shape.__setitem__(0, -1)), "seed.shape: [-1, 1] is not accepted"),
    "dimensions": (
        changed(lambda m: m.inputs[0].shape.extend([1] * 15)),
        "seed.shape: '17 dimensions' is not accepted",
    ),
    "shared memory": (
        changed(lambda m: m.inputs[0].parameters["shared_memory_region"].SetInParent()),
        "seed.parameters: 'shared_memory_region' is not accepted",
    ),
    "unknown output": (changed(lambda m: m.outputs.add(name="pixels")), "outputs: 'pixels' is not accepted"),
    "many parameters": (
        changed(lambda m: [m.parameters[str(number)].SetInParent() for number in range(5_000)]),
        "request: 'more than 512 fields' is not accepted",
    ),
    "misspelled parameter": (
        changed(lambda m: m.parameters["sed"].CopyFrom(service_pb2.InferParameter(int64_param=3))),
        "parameters.sed: 3 is not accepted; accepted: one of the parameters seed",
    ),
    "timeout": (
        changed(lambda m: m.parameters["timeout"].CopyFrom(service_pb2.InferParameter(int64_param=-1))),
        "parameters.timeout: -1 is not accepted",
    ),
}


async def test_a_bad_message_is_told(gateway: RunningGateway) -> None:
    for name, (raw, words) in BAD_MESSAGES.items():
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await gateway.unary(INFER, raw)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT, name
        assert words in (refused.value.details() or ""), name


async def test_a_text_whose_length_lies(gateway: RunningGateway) -> None:
    request = message(TEXT, text_inputs("abc"))
    for raw in (b"\xff\xff\xff\xffabc", b"\3\0\0", b"\2\0\0\0abc", b"\0\0\0\0\0\0\0\0", b""):
        request.raw_input_contents[0] = raw
        with pytest.raises(grpc.aio.AioRpcError, match="text_input: ") as refused:
            await gateway.unary(INFER, request.SerializeToString())
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


SEED = 7
VALUES = (
    *(None, True, -1, 0, 1, 16, 2**31, 2**64, 1.5, 1e300, math.nan),
    *("", "7", "x" * 300, [], [1], ["a"], {}, {"1": 2}),
)
PARAMETERS = (
    *("max_tokens", "min_tokens", "seed", "n", "temperature", "top_p", "top_k"),
    *("stop", "logit_bias", "logprobs"),
)


def fuzzed(number: int) -> bytes:
    """Return message `number`: one that is good, with fields, bytes or parameters changed."""
    random = Random(f"{SEED}/{number}")
    model, inputs = random.choice(
        [
            (TEXT, text_inputs("a", {"max_tokens": 3}, stream=True, return_logprobs=True)),
            (IMAGES, [seeds(1, 2), labels(1, 2)]),
            (PICTURES, picture_inputs(1, 1, max_tokens=3)),
        ]
    )
    request = message(model, inputs, id=str(number))
    if random.random() < 0.3:
        values = {random.choice(PARAMETERS): random.choice(VALUES) for _ in range(random.choice((1, 1, 2)))}
        text = json.dumps({"max_tokens": 3, **values}).encode()
        [place] = [i for i, each in enumerate(request.inputs) if each.name == "sampling_parameters"] or [None]
        if place is not None:
            request.raw_input_contents[place] = len(text).to_bytes(4, "little") + text
    elif random.random() < 0.7:
        mutate_fields(request, random)
    raw = request.SerializeToString()
    return (raw if random.random() < 0.7 else mutate_bytes(raw, raw, random))[:1_000_000]


async def test_strange_requests_end_in_a_status(gateway: RunningGateway, effort: Effort) -> None:
    codes: Counter[str] = Counter()
    count = effort.of(500, 10_000)
    last: dict[str, tuple[int, str | None]] = {}
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            try:
                await gateway.unary(INFER, fuzzed(number), timeout=60)
                codes["OK"] += 1
            except grpc.aio.AioRpcError as error:
                codes[error.code().name] += 1
                last[error.code().name] = (number, error.details())

    await asyncio.gather(*(work() for _ in range(16)))
    accepted = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED"}
    assert set(codes) <= accepted, last
    assert codes["OK"] > count / 20
    assert codes["INVALID_ARGUMENT"] > count / 4


async def test_strange_requests_of_a_stream_leave_it_open(gateway: RunningGateway, effort: Effort) -> None:
    call = gateway.channel.stream_stream(STREAM_INFER)()

    async def send() -> None:
        for number in range(effort.of(150, 2_000)):
            await call.write(fuzzed(number))
        await call.write(message(IMAGES, [seeds(1)], id="last").SerializeToString())
        await call.done_writing()

    sending, seen = asyncio.create_task(send()), set()
    async with asyncio.timeout(120):
        while (raw := await call.read()) is not grpc.aio.EOF:
            reply = service_pb2.ModelStreamInferResponse.FromString(raw)
            assert not reply.error_message.startswith(("[INTERNAL]", "[UNKNOWN]")), reply
            seen.add(reply.infer_response.id)
        await sending
    assert await call.code() is grpc.StatusCode.OK
    assert "last" in seen
