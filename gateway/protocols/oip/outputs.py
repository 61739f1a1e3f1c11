"""The tensors of a reply: always raw, one entry of raw_output_contents for each, as clients index them unchecked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.protocols.oip.spec import Spec
from tandem.oip.grpc_service_pb2 import InferParameter, ModelInferRequest, ModelInferResponse
from tandem.shared.errors import InvalidArgument

VERSION = "1"
"""The version of every model: clients parse it as a whole number."""

FINAL = "triton_final_response"
"""Parameter of every message of a stream: whether it is its request's last."""


@dataclass(frozen=True)
class Output:
    """One tensor with its elements as they travel."""

    spec: Spec
    shape: Sequence[int]
    raw: bytes

    @classmethod
    def of(cls, spec: Spec, values: Sequence[Any]) -> Output:
        """Return a tensor of one dimension."""
        return cls(spec, [len(values)], spec.datatype.pack(values))


@dataclass(frozen=True)
class InferenceResult:
    """What one response carries; `parameters` are texts, whole numbers >= 0 and booleans."""

    outputs: Sequence[Output]
    is_final: bool = True
    parameters: Mapping[str, str | int | bool] = field(default_factory=dict)


def check_outputs(request: ModelInferRequest, specs: Iterable[Spec]) -> Collection[str]:
    """Return the names of the outputs that a request lists, none if it leaves that open. Raises InvalidArgument."""
    known = [spec.name for spec in specs]
    for output in request.outputs:
        if output.name not in known:
            raise InvalidArgument("outputs", output.name, f"the model's outputs: {', '.join(known)}")
        if "classification" in output.parameters or "shared_memory_region" in output.parameters:
            raise InvalidArgument(f"{output.name}.parameters", sorted(output.parameters), "tensors in the reply itself")
    return {output.name for output in request.outputs}


def response(request: ModelInferRequest, result: InferenceResult, is_streamed: bool) -> ModelInferResponse:
    """Return the reply to `request`, with those outputs that it lists."""
    wanted = {output.name for output in request.outputs}
    reply = ModelInferResponse(model_name=request.model_name, model_version=VERSION, id=request.id)
    for output in result.outputs:
        if not wanted or output.spec.name in wanted:
            reply.outputs.add(name=output.spec.name, datatype=output.spec.datatype.name, shape=output.shape)
            reply.raw_output_contents.append(output.raw)
    for name, value in result.parameters.items():
        kind = "string" if isinstance(value, str) else "bool" if isinstance(value, bool) else "uint64"
        setattr(reply.parameters[name], f"{kind}_param", value)
    if is_streamed:
        reply.parameters[FINAL].bool_param = result.is_final
    return reply


def parameter_value(parameter: InferParameter) -> Any:
    """Return the value of a parameter, None if it has none."""
    kind = parameter.WhichOneof("parameter_choice")
    return None if kind is None else getattr(parameter, kind)
