"""Requests and replies over HTTP, as the messages that gRPC has: JSON, perhaps with binary tensors behind."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from google.protobuf.message import Message
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gateway.protocols.fields import invalid_argument
from gateway.protocols.oip.tensors import Spec, parameter_value, spec_of
from tandem.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse
from tandem.shared.errors import InvalidArgument

HEADER_LENGTH = "inference-header-content-length"
BINARY_SIZE, BINARY_DATA, BINARY_OUTPUT = "binary_data_size", "binary_data", "binary_data_output"
_MAX_DIGITS = 10


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a text that can be printed")
    return text


Text = Annotated[str, AfterValidator(_printable)]
Shape = Annotated[
    list[Annotated[int, Field(ge=0, lt=2**31)]],
    BeforeValidator(lambda size: size if isinstance(size, list) else [size]),
]
Parameters = dict[str, bool | Annotated[int, Field(ge=-(2**63), lt=2**64)] | float | str | None]


class _Object(BaseModel):
    """A JSON object; fields that are not known are ignored."""

    model_config = ConfigDict(strict=True)


class _Output(_Object):
    """What a request wants of a tensor of the reply."""

    name: Text
    parameters: Parameters = {}


class _Tensor(_Output):
    """An input: its elements in nested lists, or behind the JSON as many bytes as its parameters say."""

    datatype: Text
    shape: Shape
    data: Any = None


class _Request(_Object):
    """All of the JSON."""

    id: Text = ""
    parameters: Parameters = {}
    inputs: list[_Tensor] = []
    outputs: list[_Output] = []


def split(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    """Return the JSON and what follows it. Raises InvalidArgument."""
    if header_length is None:
        return body, b""
    is_number = header_length.isascii() and header_length.isdigit() and len(header_length) <= _MAX_DIGITS
    if not is_number or (length := int(header_length)) > len(body):
        raise InvalidArgument(HEADER_LENGTH, header_length, f"0 to {len(body)}, the body's bytes")
    return body[:length], body[length:]


def parse_infer(head: bytes, rest: bytes, name: str, version: str, specs: Sequence[Spec]) -> ModelInferRequest:
    """Return the request for a model whose inputs are `specs`. Raises InvalidArgument, which names the field."""
    try:
        content = _Request.model_validate_json(head)
    except ValidationError as error:
        raise invalid_argument(error) from None
    request = ModelInferRequest(model_name=name, model_version=version, id=content.id)
    _fill_parameters(request.parameters, content.parameters)
    for tensor in content.inputs:
        spec = spec_of(tensor.name, specs)
        if BINARY_SIZE in tensor.parameters:
            raw, rest = _cut(tensor.name, tensor.parameters.pop(BINARY_SIZE), rest)
        else:
            raw = _pack(spec, tensor.data)
        target = request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        _fill_parameters(target.parameters, tensor.parameters)
        request.raw_input_contents.append(raw)
    for output in content.outputs:
        _fill_parameters(request.outputs.add(name=output.name).parameters, output.parameters)
    if rest:
        raise InvalidArgument("request", f"{len(rest)} bytes behind the last tensor", "none")
    return request


def _cut(name: str, size: Any, rest: bytes) -> tuple[bytes, bytes]:
    """Return the bytes of a tensor, and those behind them."""
    if type(size) is not int or not 0 <= size <= len(rest):
        raise InvalidArgument(f"{name}.parameters.{BINARY_SIZE}", size, f"0 to {len(rest)}, what is left")
    return rest[:size], rest[size:]


def _pack(spec: Spec, data: Any) -> bytes:
    """Return the elements of nested lists, as they stand in raw contents."""
    try:
        values = list(_flat(data if isinstance(data, list) else [data]))
        if not spec.datatype.code:
            values = [value.encode() for value in values]
        elif spec.datatype.code == "?" and not all(isinstance(value, bool) for value in values):
            raise ValueError
        return spec.datatype.pack(values)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, struct.error):
        raise InvalidArgument(f"{spec.name}.data", data, f"elements of {spec.datatype.name}") from None


def _flat(data: Sequence[Any]) -> Iterator[Any]:
    for item in data:
        yield from _flat(item) if isinstance(item, list) else (item,)


def _fill_parameters(target: Any, values: Mapping[str, Any]) -> None:
    kinds = {bool: "bool", str: "string", float: "double", int: "int64"}
    for name, value in values.items():
        if value is not None:
            kind = "uint64" if type(value) is int and value >= 2**63 else kinds[type(value)]
            setattr(target[name], f"{kind}_param", value)


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
