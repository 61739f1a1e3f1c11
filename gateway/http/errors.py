"""Errors as HTTP tells them: the status code that stands for a gRPC one, and the body of AIP-193."""

import math
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2

from gateway.http.upstream_error import UpstreamError
from runtime.errors import MessageTooLarge, TandemError, Unauthenticated
from runtime.rpc import status_details

_DETAILS = "grpc-status-details-bin"

# As google/rpc/code.proto says, name by name.
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


def http_status(error: TandemError) -> int:
    """Return the HTTP status code; 500 for what is nobody's fault but ours."""
    # 429 would ask the client to come back, which does not help here.
    return 413 if isinstance(error, MessageTooLarge) else _STATUS.get(error.code, 500)


def error_body(error: TandemError) -> dict[str, Any]:
    """Return the body: HTTP code, gRPC status, message, and google.rpc details if there are any."""
    shape = {"code": http_status(error), "status": error.code, "message": str(error), "details": _details(error)}
    return {"error": shape}


def error_headers(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what HTTP says in headers as well: when to come back, in whole seconds, and how to show who one is."""
    delays = [detail["retryDelay"] for detail in body["error"]["details"] if "retryDelay" in detail]
    headers = [("retry-after", str(max(1, math.ceil(float(delay.rstrip("s")))))) for delay in delays[:1]]
    if body["error"]["status"] == Unauthenticated.code:
        headers.append(("www-authenticate", 'Bearer realm="tandem"'))
    return headers


def _details(error: TandemError) -> list[dict[str, Any]]:
    trailers = error.trailers if isinstance(error, UpstreamError) else status_details(error)
    raw = trailers.get(_DETAILS)
    if not isinstance(raw, bytes):
        return []
    shown = []
    for packed in status_pb2.Status.FromString(raw).details:
        for detail_class in (error_details_pb2.RetryInfo, error_details_pb2.BadRequest):
            if packed.Is(detail_class.DESCRIPTOR):
                shown.append(json_format.MessageToDict(packed))
    return shown
