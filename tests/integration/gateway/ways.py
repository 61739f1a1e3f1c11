"""One request for a text in each way in which it may come that is not a plain call by gRPC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import grpc

from tandem.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse
from tests.integration.gateway.callers import client_of
from tests.integration.gateway.fakes import TEXT_MODEL
from tests.integration.gateway.protocols.oip.inputs import COMPLETE, INFER, STREAM_INFER
from tests.integration.gateway.running import RunningGateway

STATUS = {"UNAUTHENTICATED": 401, "RESOURCE_EXHAUSTED": 429, "CANCELLED": 499, "UNAVAILABLE": 503}
STATUS |= {"DEADLINE_EXCEEDED": 504}


class Ended(NamedTuple):
    """How a request ended, as HTTP says it, with the error's words."""

    status: int
    words: str = ""


async def over_http(gateway: RunningGateway, prompt: str, headers: Mapping[str, str]) -> Ended:
    return await posted(gateway, COMPLETE, {"generate": {"text": prompt}}, headers)


async def over_openai(gateway: RunningGateway, prompt: str, headers: Mapping[str, str]) -> Ended:
    return await posted(gateway, "/v1/completions", {"prompt": prompt}, headers)


async def over_oip_s_http(gateway: RunningGateway, prompt: str, headers: Mapping[str, str]) -> Ended:
    tensor = {"name": "text_input", "datatype": "BYTES", "shape": [1], "data": [prompt]}
    return await posted(gateway, f"/v2/models/{TEXT_MODEL}/infer", {"inputs": [tensor]}, headers)


async def posted(gateway: RunningGateway, path: str, body: Any, headers: Mapping[str, str]) -> Ended:
    async with client_of(gateway) as client:
        response = await client.post(path, json=body, headers=dict(headers))
    if response.status_code == 200:
        return Ended(200)
    error = response.json()["error"]
    words = error["message"] if isinstance(error, dict) else error.partition("] ")[2]
    return Ended(response.status_code, words)


async def over_oip(gateway: RunningGateway, prompt: str, headers: Mapping[str, str]) -> Ended:
    try:
        reply = await gateway.unary(INFER, inference(prompt), **options_of(headers))
    except grpc.aio.AioRpcError as error:
        return Ended(STATUS[error.code().name], error.details() or "")
    assert ModelInferResponse.FromString(reply).outputs
    return Ended(200)


async def over_oip_s_stream(gateway: RunningGateway, prompt: str, headers: Mapping[str, str]) -> Ended:
    call = gateway.channel.stream_stream(STREAM_INFER)(iter([inference(prompt)]), **options_of(headers))
    try:
        reply = ModelStreamInferResponse.FromString(await anext(aiter(call)))
    except grpc.aio.AioRpcError as error:
        return Ended(STATUS[error.code().name], error.details() or "")
    code, _, words = reply.error_message.removeprefix("[").partition("] ")
    return Ended(STATUS[code], words) if code else Ended(200)


def inference(prompt: str) -> bytes:
    request = ModelInferRequest(model_name=TEXT_MODEL)
    request.inputs.add(name="text_input", datatype="BYTES", shape=[1]).contents.bytes_contents.append(prompt.encode())
    return request.SerializeToString()


def options_of(headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of a gRPC call, which has its own for a timeout."""
    metadata = tuple((name, value) for name, value in headers.items() if name != "grpc-timeout")
    seconds = headers.get("grpc-timeout", "").rstrip("S")
    return {"metadata": metadata, "timeout": float(seconds) if seconds else None}


Way = Callable[[RunningGateway, str, Mapping[str, str]], Awaitable[Ended]]
WAYS: dict[str, Way] = {
    "http": over_http,
    "openai": over_openai,
    "oip http": over_oip_s_http,
    "oip": over_oip,
    "oip stream": over_oip_s_stream,
}
