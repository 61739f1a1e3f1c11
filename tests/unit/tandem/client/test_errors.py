"""From a gRPC error to a typed one, whatever its trailers hold."""

from __future__ import annotations

import grpc
import pytest

from runtime.rpc.status import status_details
from tandem import client
from tandem.client.errors import Metadata, rpc_error
from tandem.shared.errors import InvalidArgument, ReplyTooLarge


class FakeError:
    def __init__(self, code: grpc.StatusCode, details: str | None, trailers: Metadata | None = None) -> None:
        self._parts = code, details, trailers

    def code(self) -> grpc.StatusCode:
        return self._parts[0]

    def details(self) -> str | None:
        return self._parts[1]

    def trailing_metadata(self) -> Metadata | None:
        return self._parts[2]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.NOT_FOUND, client.NotFound),
        (grpc.StatusCode.CANCELLED, client.Cancelled),
        (grpc.StatusCode.DEADLINE_EXCEEDED, client.DeadlineExceeded),
        (grpc.StatusCode.UNIMPLEMENTED, client.Unimplemented),
        (grpc.StatusCode.ABORTED, client.TandemRpcError),
    ],
)
def test_each_code_has_its_class(code: grpc.StatusCode, expected: type) -> None:
    error = rpc_error(FakeError(code, "text"), "a:1")
    assert type(error) is expected
    assert (error.code, error.message, str(error)) == (code.name, "text", f"{code.name}: text")


@pytest.mark.parametrize("trailers", [None, [], [("grpc-status-details-bin", b"\xff\xff")], [("other", "x")]])
def test_strange_trailers_do_no_harm(trailers: Metadata | None) -> None:
    error = rpc_error(FakeError(grpc.StatusCode.INVALID_ARGUMENT, None, trailers), "a:1")
    assert (error.message, error.violations, error.retry_after_seconds) == ("", (), None)


def test_a_reply_that_would_not_fit_has_a_class_and_a_reason() -> None:
    details = status_details(ReplyTooLarge("count", 22, "1 to 21"))
    error = rpc_error(FakeError(grpc.StatusCode.INVALID_ARGUMENT, "text", list(details.items())), "a:1")
    assert type(error) is client.ReplyTooLarge
    assert isinstance(error, client.InvalidArgument)
    assert [(violation.field, violation.reason) for violation in error.violations] == [("count", "REPLY_TOO_LARGE")]
    details = status_details(InvalidArgument("count", 0, "1 to 21"))
    error = rpc_error(FakeError(grpc.StatusCode.INVALID_ARGUMENT, "text", list(details.items())), "a:1")
    assert (type(error), error.violations[0].reason) == (client.InvalidArgument, "")


CUT_OFF = "Received RST_STREAM with error code 2"


@pytest.mark.parametrize("text", [CUT_OFF, f"Stream removed (RST_STREAM ({CUT_OFF}))"])
def test_a_reply_that_is_cut_off_is_unavailable(text: str) -> None:
    error = rpc_error(FakeError(grpc.StatusCode.INTERNAL, text, ()), "a:1", has_begun=True)
    assert (type(error), error.code) == (client.Unavailable, "UNAVAILABLE")
    assert "cut off" in error.message


@pytest.mark.parametrize(
    ("code", "text", "trailers", "has_begun"),
    [
        (grpc.StatusCode.INTERNAL, CUT_OFF, (), False),  # before a reply, the proxy resets what it does not accept
        (grpc.StatusCode.INTERNAL, CUT_OFF, (("tandem-served-bin", b""),), True),  # a server's own word
        (grpc.StatusCode.INTERNAL, "internal error; the server's log has the details", (), True),
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 1", (), True),
        (grpc.StatusCode.UNKNOWN, CUT_OFF, (), True),
    ],
)
def test_any_other_internal_error_stays_one(
    code: grpc.StatusCode, text: str, trailers: Metadata, has_begun: bool
) -> None:
    error = rpc_error(FakeError(code, text, trailers), "a:1", has_begun)
    assert (error.code, error.message) == (code.name, text)
    assert not isinstance(error, client.Unavailable)


@pytest.mark.parametrize("text", ["Deadline Exceeded", "Stream removed (Deadline Exceeded)"])
def test_a_stream_that_is_out_of_time_is_told_as_such(text: str) -> None:
    error = rpc_error(FakeError(grpc.StatusCode.DEADLINE_EXCEEDED, text), "a:1", has_begun=True)
    assert (type(error), error.message) == (
        client.DeadlineExceeded,
        "the reply was not complete within the timeout",
    )


@pytest.mark.parametrize(
    "text", ["Channel closed!", "Stream removed (Channel closed!)", "Locally cancelled by application!"]
)
def test_a_call_that_this_side_ended_was_cancelled(text: str) -> None:
    error = rpc_error(FakeError(grpc.StatusCode.CANCELLED, text), "a:1", has_begun=True)
    assert (type(error), error.message) == (client.Cancelled, "the call was cancelled, or its client closed")
