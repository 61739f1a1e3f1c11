"""Every gRPC code has its HTTP status; details survive the change of transport."""

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc.aio import AioRpcError, Metadata

from gateway.http.errors import UpstreamError, error_body, error_headers, upstream_error
from runtime.rpc.status import status_details
from tandem.shared.errors import ResourceExhausted, Unauthenticated, Unavailable


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


def error(code: grpc.StatusCode, text: str, *trailers: tuple[str, str | bytes]) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(*trailers), text)


def test_code_message_and_details_pass() -> None:
    mapped = upstream_error(
        error(grpc.StatusCode.NOT_FOUND, "no such model", ("grpc-status-details-bin", b"\x08"), ("x-own", "1")), "here"
    )
    assert (mapped.code, str(mapped)) == ("NOT_FOUND", "no such model")
    assert mapped.trailers == {"grpc-status-details-bin": b"\x08", "x-own": "1"}


@pytest.mark.parametrize("text", ["{}", "Stream removed (RST_STREAM ({}))"])
def test_a_backend_that_died_in_the_middle_is_told_as_such(text: str) -> None:
    """Envoy can then only reset the stream, which grpc calls an internal error."""
    cut_off = error(grpc.StatusCode.INTERNAL, text.format("Received RST_STREAM with error code 2"))
    mapped = upstream_error(cut_off, "here")
    assert (mapped.code, str(mapped)) == ("UNAVAILABLE", "the backend went away during the request")


@pytest.mark.parametrize("text", ["Deadline Exceeded", "Stream removed (Deadline Exceeded)"])
def test_time_that_is_over_is_told_in_plain_words(text: str) -> None:
    mapped = upstream_error(error(grpc.StatusCode.DEADLINE_EXCEEDED, text), "here")
    assert (mapped.code, str(mapped)) == ("DEADLINE_EXCEEDED", "the reply was not complete within the timeout")
    told = upstream_error(error(grpc.StatusCode.DEADLINE_EXCEEDED, "deadline passed in the queue"), "here")
    assert str(told) == "deadline passed in the queue"


@pytest.mark.parametrize("code", [grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL])
def test_text_of_a_fault_stays_in_the_log(code: grpc.StatusCode, caplog: pytest.LogCaptureFixture) -> None:
    mapped = upstream_error(error(code, "KeyError: 'secret'"), "/a.B/C")
    assert (mapped.code, str(mapped)) == (code.name, "internal error; the server's log has the details")
    assert "secret" in caplog.text
    assert "/a.B/C" in caplog.text
