"""From a gRPC error to a typed one, whatever its trailers hold."""

from __future__ import annotations

import grpc
import pytest

from tandem import client
from tandem.client.errors import Metadata, rpc_error


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
        (grpc.StatusCode.UNIMPLEMENTED, client.TandemRpcError),
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


def test_a_refused_connection_is_not_a_busy_backend() -> None:
    text = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Connection refused"
    error = rpc_error(FakeError(grpc.StatusCode.UNAVAILABLE, text), "127.0.0.1:1")
    assert isinstance(error, client.NotReachable)
    assert "127.0.0.1:1" in error.message
    assert type(rpc_error(FakeError(grpc.StatusCode.UNAVAILABLE, "starting"), "a:1")) is client.Unavailable
