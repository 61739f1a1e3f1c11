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
OWN = "internal error; the server's log has the details"
OUT_OF_TIME = "the reply was not complete within the timeout"
CANCELLED = "the call was cancelled, or its client closed"
BEGUN = [
    # code, text, kind, message, or the text where it is None
    ("NOT_FOUND", "text", client.NotFound, None),
    ("CANCELLED", "text", client.Cancelled, None),
    ("UNIMPLEMENTED", "text", client.Unimplemented, None),
    ("ABORTED", "text", client.TandemRpcError, None),
    ("INTERNAL", CUT_OFF, client.Unavailable, "the reply was cut off before its end, as when the backend goes away"),
    (
        "INTERNAL",
        f"Stream removed (RST_STREAM ({CUT_OFF}))",
        client.Unavailable,
        "the reply was cut off before its end",
    ),
    ("INTERNAL", OWN, client.Internal, None),
    ("INTERNAL", "Received RST_STREAM with error code 1", client.Internal, None),
    ("UNKNOWN", CUT_OFF, client.TandemRpcError, None),
    ("DEADLINE_EXCEEDED", "Deadline Exceeded", client.DeadlineExceeded, OUT_OF_TIME),
    ("DEADLINE_EXCEEDED", "Stream removed (Deadline Exceeded)", client.DeadlineExceeded, OUT_OF_TIME),
    ("CANCELLED", "Channel closed!", client.Cancelled, CANCELLED),
    ("CANCELLED", "Stream removed (Channel closed!)", client.Cancelled, CANCELLED),
    ("CANCELLED", "Locally cancelled by application!", client.Cancelled, CANCELLED),
]


@pytest.mark.parametrize(("code", "text", "kind", "message"), BEGUN)
def test_what_ends_a_reply_that_has_begun(code: str, text: str, kind: type, message: str | None) -> None:
    error = rpc_error(FakeError(grpc.StatusCode[code], text, ()), "a:1", has_begun=True)
    assert type(error) is kind
    assert error.message.startswith(message or text)
    assert error.code == ("UNAVAILABLE" if kind is client.Unavailable else code)


def test_before_a_reply_and_with_a_server_s_own_trailers_a_reset_is_internal() -> None:
    """Before a reply, the proxy resets what it does not accept; trailers are a server's own word."""
    for trailers, has_begun in (((), False), ((("tandem-served-bin", b""),), True)):
        error = rpc_error(FakeError(grpc.StatusCode.INTERNAL, CUT_OFF, trailers), "a:1", has_begun)
        assert (type(error), error.message) == (client.Internal, CUT_OFF)
