"""Triton's own clients for HTTP, one with threads and one for asyncio: JSON and binary tensors, all it can ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.integration.gateway.protocols.backends import IMAGES, PICTURES, TEXT
from tests.integration.gateway.protocols.oip.inputs import completed, drawn, sampled
from tests.integration.gateway.running import RunningGateway

T = TypeVar("T")
Ask = Callable[[triton.InferenceServerClient], T]


def tensor(name: str, array: np.ndarray[Any, Any], is_binary: bool = True) -> triton.InferInput:
    found = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    found.set_data_from_numpy(array, binary_data=is_binary)
    return found


def text(prompt: str, is_binary: bool = True, **sampling: Any) -> list[triton.InferInput]:
    values = {"text_input": prompt, "sampling_parameters": json.dumps(sampling)}
    return [tensor(name, np.array([value.encode()], np.object_), is_binary) for name, value in values.items()]


async def asked(gateway: RunningGateway, ask: Ask[T]) -> T:
    """Return what the client with threads is told; it is made and closed in one thread, as its greenlets ask."""

    def run() -> T:
        with triton.InferenceServerClient(gateway.web_address.removeprefix("http://")) as client:
            return ask(client)

    return await asyncio.to_thread(run)


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[triton_aio.InferenceServerClient]:
    async with triton_aio.InferenceServerClient(gateway.web_address.removeprefix("http://")) as client:
        yield client


@pytest.mark.parametrize("is_binary", [True, False])
async def test_text_is_that_of_our_own_rpc(gateway: RunningGateway, is_binary: bool) -> None:
    expected = await completed(gateway, "Früh", max_tokens=9, seed=1)
    outputs = [triton.InferRequestedOutput("text_output", binary_data=is_binary)]
    inputs = text("Früh", is_binary, max_tokens="9", seed=1)
    result = await asked(gateway, lambda client: client.infer(TEXT, inputs, outputs=outputs, request_id="8"))
    [found] = result.as_numpy("text_output").ravel().tolist()
    assert (found.decode() if is_binary else found) == expected.choices[0].text_delta
    assert (result.get_response()["id"], result.get_response()["model_name"]) == ("8", TEXT)


async def test_images_and_pictures_are_those_of_our_own_rpcs(
    gateway: RunningGateway, client: triton_aio.InferenceServerClient
) -> None:
    inputs = [tensor("seed", np.array([[7]], np.uint64)), tensor("label", np.array([[3], [4]], np.int32))]
    result = await client.infer(IMAGES, inputs)
    expected = await sampled(gateway, count=2, labels=[3, 4], seed=7)
    assert result.as_numpy("images").tobytes() == expected.images.data
    picture = [tensor("label", np.array([1], np.int32)), tensor("seed", np.array([5], np.uint64))]
    result = await client.infer(PICTURES, picture)
    drawing = await drawn(gateway, 1, seed=5)
    assert result.as_numpy("images").tobytes() == drawing.choices[0].image.data


@pytest.mark.parametrize("is_binary", [True, False])
async def test_a_request_in_gzip_is_read_and_others_are_refused(
    client: triton_aio.InferenceServerClient, is_binary: bool
) -> None:
    asked = text("a", is_binary, max_tokens=3, seed=1)
    plain = await client.infer(TEXT, asked)
    packed = await client.infer(TEXT, asked, request_compression_algorithm="gzip")
    assert packed.as_numpy("text_output").tolist() == plain.as_numpy("text_output").tolist()
    with pytest.raises(InferenceServerException, match="content-encoding: 'deflate' is not accepted"):
        await client.infer(TEXT, asked, request_compression_algorithm="deflate")
