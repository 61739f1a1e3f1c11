"""Errors of our own RPCs, with the field names of another protocol instead of those of our messages."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from gateway.http.errors import UpstreamError
from runtime.rpc.status import status_details
from tandem.shared.errors import InvalidArgument, TandemError

DETAILS = "grpc-status-details-bin"
"""The trailer with what a program may read of an error."""

Names = Mapping[str, str]
"""Field of our messages -> what the protocol calls it; an empty one is left out of a path."""

_WITHIN = "generate."


def rename_field(error: TandemError, names: Names) -> TandemError:
    """Return the error with the beginning of its field replaced as `names` say; one that names no field stays."""
    violation = violation_of(error)
    field = violation.field
    new_name = _new_name(field, names)
    if new_name == field:
        return error
    message = str(error).replace(field, new_name, 1)
    violation.MergeFrom(error_details_pb2.BadRequest.FieldViolation(field=new_name, description=message))
    status = status_pb2.Status(code=3, message=message)
    status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    return UpstreamError(error.code, message, {DETAILS: status.SerializeToString()})


def violation_of(error: TandemError) -> error_details_pb2.BadRequest.FieldViolation:
    """Return which field an INVALID_ARGUMENT is about, and its reason; empty ones if it does not say."""
    raw = details_of(error).get(DETAILS)
    if error.code == InvalidArgument.code and raw is not None:
        try:
            for detail in status_pb2.Status.FromString(raw).details:
                bad = error_details_pb2.BadRequest()
                if detail.Unpack(bad) and bad.field_violations:
                    return bad.field_violations[0]
        except DecodeError:
            pass  # details that cannot be read name no field
    return error_details_pb2.BadRequest.FieldViolation()


def details_of(error: TandemError) -> Mapping[str, bytes]:
    """Return the trailer with what a program may read of the error, none if there is nothing."""
    if not isinstance(error, UpstreamError):
        return status_details(error)
    raw = error.trailers.get(DETAILS)
    return {DETAILS: raw} if isinstance(raw, bytes) else {}


def _new_name(field: str, names: Names) -> str:
    inner = field.removeprefix(_WITHIN)
    for name, new_name in names.items():
        rest = inner.removeprefix(name)
        if rest != inner and rest[:1] in ("", ".", "["):
            return new_name + rest if new_name else rest.lstrip(".")
    return inner
