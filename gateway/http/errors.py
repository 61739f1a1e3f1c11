"""Errors over HTTP: the status code that stands for a gRPC one, and the body of AIP-193."""

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2

from runtime.rpc.status import status_details
from tandem.shared.errors import Internal, MessageTooLarge, ModelFault, TandemError, Unauthenticated, Unavailable, shown

logger = logging.getLogger(__name__)

DETAILS = "grpc-status-details-bin"
"""The trailer with what a program may read of an error."""

# As google/rpc/code.proto says, name by name; every other code is an internal error (500).
_STATUS: Mapping[str, int] = {
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}
# Texts of these codes may come from the transport or an unhandled exception: the log gets them, the client does not,
_NOT_FOR_CLIENTS = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
# but for these, which are the same each time and reveal nothing of the backend.
_FIXED_TEXTS = (str(Internal()), str(ModelFault()))
# Part of grpc's text when Envoy has cut a stream off, as when a backend dies in the middle of one.
_CUT_OFF = "Received RST_STREAM"
_REMOVED = "Stream removed"  # the same, where the connection went with it
_OUT_OF_TIME = "Deadline Exceeded"  # part of grpc's text when the call's own time is over


class PathError(TandemError):
    """Expected error: HTTP has nothing at a path (404), or not for this method (405); `code` is the nearest of gRPC."""

    def __init__(self, status: int, method: str, path: str) -> None:
        is_unknown = status == HTTPStatus.NOT_FOUND
        super().__init__(
            f"there is nothing at {shown(path)}" if is_unknown else f"{shown(path)} does not take {method}"
        )
        self.code = "NOT_FOUND" if is_unknown else "UNIMPLEMENTED"
        self.status = status


class Cancelled(TandemError):
    """Expected error: the client left, or the gateway stops and does not wait longer."""

    code = "CANCELLED"


class UpstreamError(TandemError):
    """Expected error: a call that was made for a client ended with this status; `trailers` may have its details."""

    def __init__(self, code: str, message: str, trailers: Mapping[str, str | bytes]) -> None:
        super().__init__(message)
        self.code = code
        self.trailers = trailers


def upstream_error(error: grpc.aio.AioRpcError, path: str) -> UpstreamError:
    """Return what the client shall see of `error`; `path` names the method in the log."""
    code, message, trailers = error.code(), error.details() or "", dict(error.trailing_metadata() or ())
    is_cut_off = code is grpc.StatusCode.INTERNAL and _CUT_OFF in message
    if is_cut_off or (code is grpc.StatusCode.UNAVAILABLE and _REMOVED in message):
        return UpstreamError(Unavailable.code, "the backend went away during the request", trailers)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED and _OUT_OF_TIME in message:
        return UpstreamError(code.name, "the reply was not complete within the timeout", trailers)
    if code in _NOT_FOR_CLIENTS and message not in _FIXED_TEXTS:
        logger.error("%s ended with %s: %s", path, code.name, message)
        return UpstreamError(code.name, str(Internal()), {})
    return UpstreamError(code.name, message, trailers)


def http_status(error: TandemError) -> int:
    """Return the HTTP status code."""
    if isinstance(error, PathError):
        return error.status
    # 429 would ask the client to come back, which does not help here.
    return 413 if isinstance(error, MessageTooLarge) else _STATUS.get(error.code, 500)


def error_body(error: TandemError) -> dict[str, Any]:
    """Return the body: HTTP code, gRPC status, message, and google.rpc details if there are any."""
    shape = {"code": http_status(error), "status": error.code, "message": str(error), "details": _details(error)}
    return {"error": shape}


def error_headers(body: Mapping[str, Any]) -> dict[str, str]:
    """Return what HTTP says in headers as well: when to come back, in whole seconds, and how to show who one is."""
    headers = {}
    for delay in (detail["retryDelay"] for detail in body["error"]["details"] if "retryDelay" in detail):
        headers["retry-after"] = str(max(1, math.ceil(float(delay.rstrip("s")))))
    if body["error"]["status"] == Unauthenticated.code:
        headers["www-authenticate"] = 'Bearer realm="tandem"'
    return headers


def details_of(error: TandemError) -> Mapping[str, bytes]:
    """Return the trailer with what a program may read of the error, none if there is nothing."""
    if not isinstance(error, UpstreamError):
        return status_details(error)
    raw = error.trailers.get(DETAILS)
    return {DETAILS: raw} if isinstance(raw, bytes) else {}


def _details(error: TandemError) -> list[dict[str, Any]]:
    raw = details_of(error).get(DETAILS)
    packed = () if raw is None else status_pb2.Status.FromString(raw).details
    known = (error_details_pb2.RetryInfo.DESCRIPTOR, error_details_pb2.BadRequest.DESCRIPTOR)
    return [json_format.MessageToDict(detail) for detail in packed if any(map(detail.Is, known))]
