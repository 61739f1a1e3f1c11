"""Every gRPC code has its HTTP status; details survive the change of transport."""

import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from gateway.http.errors import UpstreamError, error_body, error_headers, http_status
from runtime.rpc.status import status_details
from tandem.shared.errors import ResourceExhausted, Unauthenticated, Unavailable

STATUS = {
    "CANCELLED": 499, "UNKNOWN": 500, "INVALID_ARGUMENT": 400, "DEADLINE_EXCEEDED": 504, "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409, "PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 429, "FAILED_PRECONDITION": 400,
    "ABORTED": 409, "OUT_OF_RANGE": 400, "UNIMPLEMENTED": 501, "INTERNAL": 500, "UNAVAILABLE": 503, "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}  # fmt: skip


@pytest.mark.parametrize("code", STATUS)
def test_code_becomes_status(code: str) -> None:
    error = UpstreamError(code, "as it was said", {})
    assert http_status(error) == STATUS[code]
    assert error_body(error) == {
        "error": {"code": STATUS[code], "status": code, "message": "as it was said", "details": []}
    }


@pytest.mark.parametrize(("seconds", "whole"), [(0.25, 1), (1.0, 1), (2.5, 3)])
def test_retry_delay_is_exact_in_the_body_and_whole_in_the_header(seconds: float, whole: int) -> None:
    error = ResourceExhausted("queue", 8, seconds)
    carried = UpstreamError(error.code, str(error), status_details(error))
    for each in (error, carried):
        body = error_body(each)
        assert float(body["error"]["details"][0]["retryDelay"].rstrip("s")) == seconds
        assert error_headers(body) == {"retry-after": str(whole)}
    assert error_headers(error_body(Unavailable("gone"))) == {}
    assert error_headers(error_body(Unauthenticated())) == {"www-authenticate": 'Bearer realm="tandem"'}


def test_details_of_an_unknown_kind_are_left_out() -> None:
    packed = any_pb2.Any()
    packed.Pack(error_details_pb2.DebugInfo(detail="secret"))
    status = status_pb2.Status(code=13, details=[packed])
    error = UpstreamError("INTERNAL", "x", {"grpc-status-details-bin": status.SerializeToString()})
    assert error_body(error)["error"]["details"] == []
