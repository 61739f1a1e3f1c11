"""The tensors of a request, read and checked: raw or typed elements, as the protocol allows both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.protocols.oip.spec import Spec
from tandem.oip.grpc_service_pb2 import ModelInferRequest
from tandem.shared.errors import InvalidArgument

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
    known, raw = {spec.name: spec for spec in specs}, request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise InvalidArgument("raw_input_contents", f"{len(raw)} tensors", f"{len(request.inputs)}, one an input")
    found: dict[str, Tensor] = {}
    for place, tensor in enumerate(request.inputs):
        spec = known.get(tensor.name)
        if spec is None:
            raise InvalidArgument("inputs", tensor.name, f"the model's inputs: {', '.join(known)}")
        if tensor.name in found:
            raise InvalidArgument(tensor.name, "a second tensor", "one")
        found[tensor.name] = _read(tensor, spec, raw[place] if raw else None, is_batched)
    for spec in specs:
        if spec.name not in found and not spec.is_optional:
            raise InvalidArgument(spec.name, "no tensor", f"{spec.datatype.name} {spec.shape(is_batched)}")
    return found


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
    return Tensor(_typed(tensor, spec) if raw is None else _raw(tensor, spec, raw), rows)


def _raw(tensor: Any, spec: Spec, raw: bytes) -> Sequence[Any]:
    if tensor.HasField("contents"):
        raise InvalidArgument(f"{spec.name}.contents", "typed elements", "none beside raw_input_contents")
    count = math.prod(tensor.shape)
    try:
        return spec.datatype.unpack(raw, count)
    except ValueError as error:
        accepted = f"{count} elements of {spec.datatype.name}, as its shape says"
        raise InvalidArgument(spec.name, str(error), accepted) from None


def _typed(tensor: Any, spec: Spec) -> Sequence[Any]:
    wrong = [field.name for field, _ in tensor.contents.ListFields() if field.name != spec.datatype.contents]
    if wrong:
        raise InvalidArgument(f"{spec.name}.contents", wrong[0], spec.datatype.contents)
    values: Sequence[Any] = getattr(tensor.contents, spec.datatype.contents)
    if len(values) != (count := math.prod(tensor.shape)):
        raise InvalidArgument(spec.name, f"{len(values)} elements", f"{count}, as its shape says")
    return values
