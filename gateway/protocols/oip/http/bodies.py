"""Requests and replies over HTTP, as the messages that gRPC has: JSON, perhaps with binary tensors behind."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping, MutableSequence, Sequence
from typing import Annotated, Any

from google.protobuf.message import Message
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from gateway.http.exchange import to_json
from gateway.protocols.fields import invalid_argument
from gateway.protocols.oip.models.adapter import Adapter
from gateway.protocols.oip.tensors import DATATYPES, FINAL, Spec, parameter_value, set_parameters, spec_of
from tandem.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse
from tandem.shared.errors import InvalidArgument

STREAM = "stream"
HEADER_LENGTH = "inference-header-content-length"
BINARY_SIZE, BINARY_DATA, BINARY_OUTPUT = "binary_data_size", "binary_data", "binary_data_output"


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


class _Output(BaseModel, strict=True):
    """What a request wants of a tensor of the reply; here and below, fields that are not known are ignored."""

    name: Text
    parameters: Parameters = {}


class _Tensor(_Output):
    """An input: its elements in nested lists, or behind the JSON as many bytes as its parameters say."""

    datatype: Text
    shape: Shape
    data: Any = None


class _Request(BaseModel, strict=True):
    """All of the JSON."""

    id: Text = ""
    parameters: Parameters = {}
    inputs: list[_Tensor] = []
    outputs: list[_Output] = []


class _Generate(BaseModel, strict=True, extra="allow"):
    """A request of Triton's generate extension: what is in `parameters` counts as if it stood beside it."""

    id: Text = ""
    parameters: dict[str, Any] = {}


_SCALARS = TypeAdapter(Parameters, config={"strict": True})


def split(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    """Return the JSON and what follows it. Raises InvalidArgument."""
    if header_length is None:
        return body, b""
    if not re.fullmatch("[0-9]{1,10}", header_length) or (length := int(header_length)) > len(body):
        raise InvalidArgument(HEADER_LENGTH, header_length, f"0 to {len(body)}, the body's bytes")
    return body[:length], body[length:]


def read_infer(request: ModelInferRequest, head: bytes, rest: bytes, specs: Sequence[Spec]) -> ModelInferRequest:
    """Return the request for a model whose inputs are `specs`. Raises InvalidArgument, which names the field."""
    try:
        content = _Request.model_validate_json(head)
    except ValidationError as error:
        raise invalid_argument(error) from None
    request.id = content.id
    set_parameters(request.parameters, content.parameters)
    for tensor in content.inputs:
        spec = spec_of(tensor.name, specs)
        if BINARY_SIZE in tensor.parameters:
            raw, rest = _cut(tensor.name, tensor.parameters.pop(BINARY_SIZE), rest)
        else:
            raw = _pack(spec, tensor.data)
        target = request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        set_parameters(target.parameters, tensor.parameters)
        request.raw_input_contents.append(raw)
    for output in content.outputs:
        set_parameters(request.outputs.add(name=output.name).parameters, output.parameters)
    if rest:
        raise InvalidArgument("request", f"{len(rest)} bytes behind the last tensor", "none")
    return request


def read_generate(request: ModelInferRequest, body: bytes, model: Adapter, is_streamed: bool) -> ModelInferRequest:
    """Return the request of Triton's generate extension: each key is an input of the model, else a parameter.

    What is streamed has the input `stream`, if there is one. Raises InvalidArgument, which names the field.
    """
    specs = {spec.name: spec for spec in model.inputs}
    try:
        content = _Generate.model_validate_json(body)
        values = {**(content.model_extra or {}), **content.parameters}
        parameters = _SCALARS.validate_python({name: value for name, value in values.items() if name not in specs})
    except ValidationError as error:
        raise invalid_argument(error) from None
    request.id = content.id
    set_parameters(request.parameters, parameters)
    if is_streamed and STREAM in specs:
        values.setdefault(STREAM, True)
    for name in filter(specs.__contains__, values):
        elements = values[name] if isinstance(values[name], list) else [values[name]]
        is_row = model.max_batch_size and specs[name].dims != (1,)
        request.inputs.add(
            name=name, datatype=specs[name].datatype.name, shape=[1, len(elements)] if is_row else [len(elements)]
        )
        request.raw_input_contents.append(_pack(specs[name], elements))
    return request


def generated(reply: ModelInferResponse) -> bytes:
    """Return the reply of that extension: outputs by their names, one element by itself, several as a list."""
    content: dict[str, Any] = {"id": reply.id} if reply.id else {}
    content |= {"model_name": reply.model_name, "model_version": reply.model_version}
    content |= {name: parameter_value(value) for name, value in reply.parameters.items() if name != FINAL}
    for output, raw in zip(reply.outputs, reply.raw_output_contents, strict=True):
        elements = _elements(output, raw)
        content[output.name] = elements[0] if len(elements) == 1 else elements
    return to_json(content)


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


def http_reply(request: ModelInferRequest, reply: ModelInferResponse) -> tuple[bytes, dict[str, str]]:
    """Return the body and its headers."""
    content: dict[str, Any] = {"id": reply.id} if reply.id else {}
    content |= {"model_name": reply.model_name, "model_version": reply.model_version}
    content["parameters"] = {name: parameter_value(value) for name, value in reply.parameters.items()}
    content["outputs"], rest = [], []
    for output, raw in zip(reply.outputs, reply.raw_output_contents, strict=True):
        tensor: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": list(output.shape)}
        if _is_binary(request, output.name):
            tensor["parameters"] = {BINARY_SIZE: len(raw)}
            rest.append(raw)
        else:
            tensor["data"] = _elements(output, raw)
        content["outputs"].append(tensor)
    head = to_json(content)
    if not rest:
        return head, {}
    headers = {HEADER_LENGTH: str(len(head)), "content-type": "application/octet-stream"}
    return b"".join((head, *rest)), headers


def _is_binary(request: ModelInferRequest, name: str) -> bool:
    """Return whether an output should be binary: its own parameter decides, else that of the request."""
    for output in request.outputs:
        if output.name == name and BINARY_DATA in output.parameters:
            return output.parameters[BINARY_DATA].bool_param
    return BINARY_OUTPUT in request.parameters and request.parameters[BINARY_OUTPUT].bool_param


def _elements(output: Any, raw: bytes) -> list[Any]:
    elements = DATATYPES[output.datatype].unpack(raw, math.prod(output.shape))
    return [each.decode("utf-8", "replace") if isinstance(each, bytes) else each for each in elements]


def as_plain(message: Message) -> dict[str, Any]:
    """Return all fields by name, with their defaults; inner messages that are absent are left out.

    protobuf's own JSON writes 64-bit numbers as strings, which clients of this protocol do not read.
    """
    return {
        field.name: _plain(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if field.is_repeated or not field.has_presence or message.HasField(field.name)
    }


def _plain(field: Any, value: Any) -> Any:
    if isinstance(value, Message):
        return as_plain(value)
    if isinstance(value, Mapping):
        return {key: _plain(field.message_type.fields_by_name["value"], item) for key, item in value.items()}
    if isinstance(value, MutableSequence):
        return [_plain(field, item) for item in value]
    return value if field.enum_type is None else field.enum_type.values_by_number[value].name
