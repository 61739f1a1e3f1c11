"""The parameters of a request: those that its model takes, and those with a meaning of Triton's own.

The protocol defines no parameters; each server defines its own. An unknown name is refused, because a misspelled
parameter would otherwise be ignored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tandem.oip.grpc_service_pb2 import InferParameter, ModelInferRequest
from tandem.shared.errors import InvalidArgument

TIMEOUT = "timeout"
_RESERVED = frozenset(
    {"sequence_id", "sequence_start", "sequence_end", "priority", TIMEOUT, "headers", "binary_data_output"}
)
_RESERVED_PREFIX = "triton_"
"""Triton reserves these names, and its clients send some of them by themselves; most ask for nothing that there is."""


def model_parameters(request: ModelInferRequest, names: Collection[str]) -> Mapping[str, Any]:
    """Return the values of the parameters that are the model's, whose `names` these are; None for one without a value.

    Raises InvalidArgument for a parameter that is neither the model's nor reserved.
    """
    found = {name: plain(value) for name, value in request.parameters.items() if not _is_reserved(name)}
    for name, value in found.items():
        if name not in names:
            raise InvalidArgument(f"parameters.{name}", value, f"one of the parameters {', '.join(sorted(names))}")
    return found


def plain(parameter: InferParameter) -> Any:
    """Return the value of a parameter, None if it has none."""
    kind = parameter.WhichOneof("parameter_choice")
    return None if kind is None else getattr(parameter, kind)


def _is_reserved(name: str) -> bool:
    return name in _RESERVED or name.startswith(_RESERVED_PREFIX)
