"""Replies over HTTP: messages as the protocol's JSON has them, and behind it the tensors that are wanted in binary."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from gateway.protocols.oip.http.requests import BINARY_DATA, BINARY_OUTPUT, BINARY_SIZE, HEADER_LENGTH
from gateway.protocols.oip.tensors import Spec, parameter_value
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
    parameters = {name: parameter_value(value) for name, value in reply.parameters.items()}
    named = {"model_name": reply.model_name, "model_version": reply.model_version, "parameters": parameters}
    return {"id": reply.id, **named} if reply.id else named


def _binary(request: ModelInferRequest) -> Callable[[str], bool]:
    """Return whether an output should be binary: its own parameter decides, else that of the request."""
    default = request.parameters[BINARY_OUTPUT].bool_param if BINARY_OUTPUT in request.parameters else False
    asked = {output.name: output.parameters for output in request.outputs if BINARY_DATA in output.parameters}
    return lambda name: asked[name][BINARY_DATA].bool_param if name in asked else default


def _elements(spec: Spec, raw: bytes, shape: Any) -> list[Any]:
    if not spec.datatype.code:
        return [text.decode("utf-8", "replace") for text in spec.datatype.unpack(raw, shape[0])]
    return list(spec.datatype.unpack(raw, len(raw) // spec.datatype.element_bytes))


def as_plain(message: Message) -> dict[str, Any]:
    """Return all fields by name, with their defaults; inner messages that are absent are left out.

    protobuf's own JSON writes 64-bit numbers as strings, which clients of this protocol do not read.
    """
    return {
        field.name: _plain_field(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if field.is_repeated or not field.has_presence or message.HasField(field.name)
    }


def _plain_field(field: Any, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        inner = field.message_type.fields_by_name["value"]
        return {key: _plain_value(inner, item) for key, item in value.items()}
    return [_plain_value(field, item) for item in value] if field.is_repeated else _plain_value(field, value)


def _plain_value(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return as_plain(value)
    return field.enum_type.values_by_number[value].name if field.enum_type is not None else value
