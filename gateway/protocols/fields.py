"""Errors that name fields: those of our own RPCs by another protocol's names, and those of a body that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from google.rpc import error_details_pb2, status_pb2
from pydantic import ValidationError

from gateway.http.errors import DETAILS, UpstreamError, details_of
from tandem.shared.errors import InvalidArgument, TandemError
from tandem.shared.validation_errors import place, reason

Names = Mapping[str, str]
"""Field of our messages -> what the protocol calls it; an empty one is left out of a path."""

_WITHIN = "generate."

_TYPES = ("str", "int", "float", "bool")
_MOST_ERRORS = 8


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
    bad = error_details_pb2.BadRequest()
    for detail in status_pb2.Status.FromString(details_of(error).get(DETAILS, b"")).details:
        if detail.Unpack(bad) and bad.field_violations:
            return bad.field_violations[0]
    return error_details_pb2.BadRequest.FieldViolation()


def _new_name(field: str, names: Names) -> str:
    inner = field.removeprefix(_WITHIN)
    for name, new_name in names.items():
        rest = inner.removeprefix(name)
        if rest != inner and rest[:1] in ("", ".", "["):
            return new_name + rest if new_name else rest.lstrip(".")
    return inner


def invalid_argument(error: ValidationError) -> InvalidArgument:
    """Return what is wrong with the first field that is; where several types are accepted, all of them are named."""
    details = error.errors(include_url=False, include_context=False)
    if not details[0]["loc"]:
        return InvalidArgument("request", details[0]["input"], f"a JSON object ({details[0]['msg']})")
    first = _fields_of(details[0]["loc"])
    of_field = [detail for detail in details if _is_within(_fields_of(detail["loc"]), first)][:_MOST_ERRORS]
    places = zip(*(_fields_of(detail["loc"]) for detail in of_field), strict=False)
    common = [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, places)]
    accepted = " or ".join(dict.fromkeys(reason(detail["msg"]).removeprefix("Input should be ") for detail in of_field))
    return InvalidArgument(place(common), of_field[0]["input"], accepted)


def _fields_of(location: Sequence[int | str]) -> list[int | str]:
    """Return the location without the names of types, which pydantic puts between those of fields."""
    return [
        part
        for part in location
        if isinstance(part, int) or (part.islower() and part not in _TYPES and "[" not in part)
    ]


def _is_within(fields: Sequence[int | str], others: Sequence[int | str]) -> bool:
    """Return whether one of two places is inside the other, or the same."""
    return all(one == other for one, other in zip(fields, others, strict=False))
