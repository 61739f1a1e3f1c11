"""The body of an HTTP request for inference, as the message that gRPC has: JSON, perhaps with binary tensors behind."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gateway.protocols.fields import invalid_argument
from gateway.protocols.oip.tensors import Spec, spec_of
from tandem.oip.grpc_service_pb2 import ModelInferRequest
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
