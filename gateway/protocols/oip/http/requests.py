"""The body of an HTTP request for inference, as the message that gRPC has: JSON, perhaps with binary tensors behind."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.protocols.oip.tensors import Spec
from tandem.oip.grpc_service_pb2 import ModelInferRequest
from tandem.shared.errors import InvalidArgument

HEADER_LENGTH = "inference-header-content-length"
BINARY_SIZE, BINARY_DATA, BINARY_OUTPUT = "binary_data_size", "binary_data", "binary_data_output"
_MAX_DIGITS = 10


class BinaryTensors:
    """What follows the JSON of a request, given out piece by piece."""

    def __init__(self, rest: bytes) -> None:
        self._rest = memoryview(rest)

    def take(self, name: str, size: Any) -> bytes:
        """Return the next `size` bytes. Raises InvalidArgument."""
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(self._rest):
            raise InvalidArgument(f"{name}.parameters.{BINARY_SIZE}", size, f"0 to {len(self._rest)}, what is left")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)

    def check_end(self) -> None:
        """Raise InvalidArgument if a part belongs to no tensor."""
        if self._rest:
            raise InvalidArgument("request", f"{len(self._rest)} bytes behind the last tensor", "none")


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
    content, known = _object(head), {spec.name: spec for spec in specs}
    request, binary = ModelInferRequest(model_name=name, model_version=version), BinaryTensors(rest)
    request.id = _text("id", content.get("id", ""))
    _fill_parameters("parameters", request.parameters, content.get("parameters", {}))
    for place, tensor in enumerate(_objects("inputs", content.get("inputs", []))):
        where = f"inputs[{place}]"
        target = request.inputs.add(name=_text(f"{where}.name", tensor.get("name")))
        target.datatype = _text(f"{where}.datatype", tensor.get("datatype"))
        target.shape.extend(_shape(f"{where}.shape", tensor.get("shape")))
        parameters = dict(_mapping(f"{where}.parameters", tensor.get("parameters", {})))
        spec = known.get(target.name)
        if spec is None:
            raise InvalidArgument("inputs", target.name, f"the model's inputs: {', '.join(known)}")
        if BINARY_SIZE in parameters:
            raw = binary.take(target.name, parameters.pop(BINARY_SIZE))
        else:
            raw = _pack(spec, tensor.get("data"))
        _fill_parameters(f"{where}.parameters", target.parameters, parameters)
        request.raw_input_contents.append(raw)
    for place, output in enumerate(_objects("outputs", content.get("outputs", []))):
        target_output = request.outputs.add(name=_text(f"outputs[{place}].name", output.get("name")))
        _fill_parameters(f"outputs[{place}].parameters", target_output.parameters, output.get("parameters", {}))
    binary.check_end()
    return request


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


def _object(head: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(head)
    except (ValueError, RecursionError):
        content = None
    return _mapping("request", content if isinstance(content, dict) else head[:40])


def _mapping(field: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidArgument(field, value, "a JSON object")
    return value


def _objects(field: str, value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, list):
        raise InvalidArgument(field, value, "a list of objects")
    return [_mapping(f"{field}[{place}]", item) for place, item in enumerate(value)]


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise InvalidArgument(field, value, "a text")
    return value


def _shape(field: str, value: Any) -> list[int]:
    sizes = value if isinstance(value, list) else [value]
    if not all(type(size) is int and 0 <= size < 2**31 for size in sizes):
        raise InvalidArgument(field, value, "a list of sizes")
    return sizes


def _fill_parameters(field: str, target: Any, values: Any) -> None:
    for name, value in _mapping(field, values).items():
        if any(isinstance(text, str) and not _encodes(text) for text in (name, value)):
            raise InvalidArgument(f"{field}.{name}", value, "text in Unicode, without lone surrogates")
        if value is None:
            continue
        if (kind := _kind_of(value)) is None:
            raise InvalidArgument(f"{field}.{name}", value, "a text, a number, or true or false")
        setattr(target[name], f"{kind}_param", value)


def _kind_of(value: Any) -> str | None:
    if type(value) is int:
        return "int64" if -(2**63) <= value < 2**63 else "uint64" if 0 <= value < 2**64 else None
    return {bool: "bool", str: "string", float: "double"}.get(type(value))


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
