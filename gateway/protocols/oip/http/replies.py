"""The reply to a request for inference over HTTP: JSON, and behind it the tensors that are wanted in binary."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gateway.protocols.oip.http.requests import BINARY_DATA, BINARY_OUTPUT, BINARY_SIZE, HEADER_LENGTH
from gateway.protocols.oip.tensors.spec import Spec
from tandem.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse


def http_reply(
    request: ModelInferRequest, reply: ModelInferResponse, specs: dict[str, Spec]
) -> tuple[bytes, dict[str, str]]:
    """Return the body and its headers."""
    is_binary, tensors, rest = _binary(request), [], []
    for output, raw in zip(reply.outputs, reply.raw_output_contents, strict=True):
        tensor: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": list(output.shape)}
        if is_binary(output.name):
            tensor["parameters"] = {BINARY_SIZE: len(raw)}
            rest.append(raw)
        else:
            tensor["data"] = _elements(specs[output.name], raw, output.shape)
        tensors.append(tensor)
    head = json.dumps(_about(reply) | {"outputs": tensors}, ensure_ascii=False, separators=(",", ":")).encode()
    if not rest:
        return head, {}
    headers = {HEADER_LENGTH: str(len(head)), "content-type": "application/octet-stream"}
    return b"".join((head, *rest)), headers


def _about(reply: ModelInferResponse) -> dict[str, Any]:
    parameters = {name: getattr(each, each.WhichOneof("parameter_choice")) for name, each in reply.parameters.items()}
    named = {"model_name": reply.model_name, "model_version": reply.model_version, "parameters": parameters}
    return {"id": reply.id, **named} if reply.id else named


def _binary(request: ModelInferRequest) -> Callable[[str], bool]:
    """Return whether an output should be binary: its own parameter decides, else that of the request."""
    default = request.parameters[BINARY_OUTPUT].bool_param if BINARY_OUTPUT in request.parameters else False
    asked = {each.name: each.parameters for each in request.outputs if BINARY_DATA in each.parameters}
    return lambda name: asked[name][BINARY_DATA].bool_param if name in asked else default


def _elements(spec: Spec, raw: bytes, shape: Any) -> list[Any]:
    if not spec.datatype.code:
        return [text.decode("utf-8", "replace") for text in spec.datatype.unpack(raw, shape[0])]
    return list(spec.datatype.unpack(raw, len(raw) // spec.datatype.element_bytes))
