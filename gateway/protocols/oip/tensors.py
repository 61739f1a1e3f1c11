"""Tensors: what models say of them, what a request brings, raw or typed, and what a reply carries. Knows no models.

Those of a reply are always raw, one entry of raw_output_contents for each, as clients index them unchecked.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from tandem.oip import model_config_pb2
from tandem.oip.grpc_service_pb2 import InferParameter, ModelInferRequest, ModelInferResponse
from tandem.shared.errors import InvalidArgument

_LENGTH_BYTES = 4


@dataclass(frozen=True)
class Datatype:
    """`code` is that of the module struct, empty for elements of any length; `contents` the field of typed elements."""

    name: str
    code: str
    contents: str
    config_type: int

    def pack(self, values: Sequence[Any]) -> bytes:
        """Return elements as they stand in raw contents: little-endian, texts behind their length in four bytes."""
        if self.code:
            return struct.pack(f"<{len(values)}{self.code}", *values)
        return b"".join(part for value in values for part in (len(value).to_bytes(_LENGTH_BYTES, "little"), value))

    def unpack(self, raw: bytes, count: int) -> Sequence[Any]:
        """Return the elements of raw contents. Raises ValueError if they are not `count`; looks at no more of them."""
        if not self.code:
            return _texts(raw, count)
        if len(raw) != count * struct.calcsize(self.code):
            raise ValueError(f"{len(raw)} bytes")
        return struct.unpack(f"<{count}{self.code}", raw)


def _texts(raw: bytes, count: int) -> Sequence[bytes]:
    texts: list[bytes] = []
    start = 0
    while start < len(raw) and len(texts) < count:
        begin = start + _LENGTH_BYTES
        start = begin + int.from_bytes(raw[start:begin], "little")
        texts.append(raw[begin:start])
    if start != len(raw) or len(texts) != count:
        raise ValueError(f"{len(raw)} bytes")
    return texts


BOOL = Datatype("BOOL", "?", "bool_contents", model_config_pb2.TYPE_BOOL)
UINT8 = Datatype("UINT8", "B", "uint_contents", model_config_pb2.TYPE_UINT8)
INT32 = Datatype("INT32", "i", "int_contents", model_config_pb2.TYPE_INT32)
UINT32 = Datatype("UINT32", "I", "uint_contents", model_config_pb2.TYPE_UINT32)
UINT64 = Datatype("UINT64", "Q", "uint64_contents", model_config_pb2.TYPE_UINT64)
FP32 = Datatype("FP32", "f", "fp32_contents", model_config_pb2.TYPE_FP32)
BYTES = Datatype("BYTES", "", "bytes_contents", model_config_pb2.TYPE_STRING)
DATATYPES = {each.name: each for each in (BOOL, UINT8, INT32, UINT32, UINT64, FP32, BYTES)}


@dataclass(frozen=True)
class Spec:
    """`dims` are without the batch, -1 for any size; `is_optional` is of inputs alone."""

    name: str
    datatype: Datatype
    dims: tuple[int, ...]
    is_optional: bool = False

    def shape(self, is_batched: bool) -> list[int]:
        """Return the shape as metadata have it: the first dimension is the batch, if there is one."""
        return [-1, *self.dims] if is_batched else list(self.dims)

    def rows(self, shape: Sequence[int], is_batched: bool) -> int | None:
        """Return how many rows of the batch a tensor of this shape has, 1 without batches; None if it does not fit.

        One value, or one a row, may leave out the dimension of size 1.
        """
        if is_batched and shape and shape[0] > 0 and self._fits(shape[1:]):
            return shape[0]
        return None if is_batched or not self._fits(shape) else 1

    def _fits(self, shape: Sequence[int]) -> bool:
        if self.dims == (1,):
            return all(size == 1 for size in shape)
        return len(shape) == len(self.dims) and all(
            size >= 0 and wanted in (-1, size) for size, wanted in zip(shape, self.dims, strict=True)
        )


SHARED_MEMORY = "shared_memory_region"

MAX_DIMENSIONS = 16
"""No model has as many; millions fit into a message, and take long to look at."""


class Tensor(NamedTuple):
    """An input: its elements in order, and how many rows of the batch they are."""

    values: Sequence[Any]
    rows: int


Inputs = Mapping[str, Tensor]


def read_inputs(request: ModelInferRequest, specs: Sequence[Spec], is_batched: bool) -> Inputs:
    """Return the tensors by name. Raises InvalidArgument, which names the tensor.

    Each is one of `specs`, of its type and shape, and comes once; those that are not optional are there.
    """
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise InvalidArgument("raw_input_contents", f"{len(raw)} tensors", f"{len(request.inputs)}, one an input")
    found: dict[str, Tensor] = {}
    for place, tensor in enumerate(request.inputs):
        spec = spec_of(tensor.name, specs)
        if tensor.name in found:
            raise InvalidArgument(tensor.name, "a second tensor", "one")
        found[tensor.name] = _read(tensor, spec, raw[place] if raw else None, is_batched)
    for spec in specs:
        if spec.name not in found and not spec.is_optional:
            raise InvalidArgument(spec.name, "no tensor", f"{spec.datatype.name} {spec.shape(is_batched)}")
    return found


def spec_of(name: str, specs: Sequence[Spec]) -> Spec:
    """Return the input of that name. Raises InvalidArgument."""
    for spec in specs:
        if spec.name == name:
            return spec
    raise InvalidArgument("inputs", name, f"the model's inputs: {', '.join(spec.name for spec in specs)}")


def _read(tensor: Any, spec: Spec, raw: bytes | None, is_batched: bool) -> Tensor:
    if SHARED_MEMORY in tensor.parameters:
        raise InvalidArgument(f"{spec.name}.parameters", SHARED_MEMORY, "tensors in the request itself")
    if tensor.datatype != spec.datatype.name:
        raise InvalidArgument(f"{spec.name}.datatype", tensor.datatype, spec.datatype.name)
    if (num_dimensions := len(tensor.shape)) > MAX_DIMENSIONS:
        raise InvalidArgument(f"{spec.name}.shape", f"{num_dimensions} dimensions", str(spec.shape(is_batched)))
    rows = spec.rows(tensor.shape, is_batched)
    if rows is None:
        raise InvalidArgument(f"{spec.name}.shape", list(tensor.shape), str(spec.shape(is_batched)))
    return Tensor(_read_typed(tensor, spec) if raw is None else _read_raw(tensor, spec, raw), rows)


def _read_raw(tensor: Any, spec: Spec, raw: bytes) -> Sequence[Any]:
    if tensor.HasField("contents"):
        raise InvalidArgument(f"{spec.name}.contents", "typed elements", "none beside raw_input_contents")
    count = math.prod(tensor.shape)
    try:
        return spec.datatype.unpack(raw, count)
    except ValueError as error:
        accepted = f"{count} elements of {spec.datatype.name}, as its shape says"
        raise InvalidArgument(spec.name, str(error), accepted) from None


def _read_typed(tensor: Any, spec: Spec) -> Sequence[Any]:
    wrong = [field.name for field, _ in tensor.contents.ListFields() if field.name != spec.datatype.contents]
    if wrong:
        raise InvalidArgument(f"{spec.name}.contents", wrong[0], spec.datatype.contents)
    values: Sequence[Any] = getattr(tensor.contents, spec.datatype.contents)
    if len(values) != (count := math.prod(tensor.shape)):
        raise InvalidArgument(spec.name, f"{len(values)} elements", f"{count}, as its shape says")
    return values


VERSION = "1"
"""The version of every model: clients parse it as a whole number."""

FINAL = "triton_final_response"
"""Parameter of every message of a stream: whether it is its request's last."""


Output: TypeAlias = tuple[Spec, Sequence[int], bytes]
"""One tensor of a reply: what it is, its shape, and its elements as they travel."""


def vector(spec: Spec, values: Sequence[Any]) -> Output:
    """Return a tensor of one dimension."""
    return spec, [len(values)], spec.datatype.pack(values)


def new_reply(outputs: Iterable[Output], **parameters: Any) -> ModelInferResponse:
    """Return a reply with these tensors, whichever the request lists."""
    reply = ModelInferResponse()
    for spec, shape, raw in outputs:
        reply.outputs.add(name=spec.name, datatype=spec.datatype.name, shape=shape)
        reply.raw_output_contents.append(raw)
    set_parameters(reply.parameters, parameters)
    return reply


def check_outputs(request: ModelInferRequest, specs: Iterable[Spec]) -> Collection[str]:
    """Return the names of the outputs that a request lists, none if it leaves that open. Raises InvalidArgument."""
    known = [spec.name for spec in specs]
    for output in request.outputs:
        if output.name not in known:
            raise InvalidArgument("outputs", output.name, f"the model's outputs: {', '.join(known)}")
        if "classification" in output.parameters or "shared_memory_region" in output.parameters:
            raise InvalidArgument(f"{output.name}.parameters", sorted(output.parameters), "tensors in the reply itself")
    return {output.name for output in request.outputs}


def complete(reply: ModelInferResponse, request: ModelInferRequest, is_streamed: bool) -> ModelInferResponse:
    """Return the reply as one to `request`, with those outputs that it lists; the only one of a stream is the last."""
    reply.model_name, reply.model_version, reply.id = request.model_name, VERSION, request.id
    wanted = {output.name for output in request.outputs}
    for place in reversed(range(len(reply.outputs))):
        if wanted and reply.outputs[place].name not in wanted:
            del reply.outputs[place], reply.raw_output_contents[place]
    if is_streamed and FINAL not in reply.parameters:
        reply.parameters[FINAL].bool_param = True
    return reply


def parameter_value(parameter: InferParameter) -> Any:
    """Return the value of a parameter, None if it has none."""
    kind = parameter.WhichOneof("parameter_choice")
    return None if kind is None else getattr(parameter, kind)


_PARAMETERS = {bool: "bool_param", str: "string_param", float: "double_param", int: "int64_param"}


def set_parameters(target: Any, values: Mapping[str, Any]) -> None:
    """Set the parameters of a message to plain values; there are none for None."""
    for name, value in values.items():
        if value is not None:
            is_unsigned = type(value) is int and value >= 0
            setattr(target[name], "uint64_param" if is_unsigned else _PARAMETERS[type(value)], value)
