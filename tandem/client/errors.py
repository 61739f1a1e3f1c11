"""What a call can raise, by status code, and how a gRPC error becomes one of these.

Any other status code is a plain TandemRpcError.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from tandem.client.credentials import CA, CERT, KEY

Metadata: TypeAlias = Iterable[tuple[str, str | bytes]]

_DETAILS_KEY = "grpc-status-details-bin"
_REPLY_TOO_LARGE = "REPLY_TOO_LARGE"
# The words of grpc's core, with or without others around them. 2 is INTERNAL_ERROR of HTTP/2.
_RESET = "Received RST_STREAM with error code 2"
_OUT_OF_TIME, _REMOVED = "deadline exceeded", "stream removed"
_ENDED_HERE = ("channel closed", "locally cancelled")
# A stream is removed when this side ends it, too: the code says who it was.
_OF_TRANSPORT = ("UNAVAILABLE", "INTERNAL")
CANCELLED_HERE = "the call was cancelled, or its client closed"
_HTTP_ANSWER = "Received http2 header with status: "
_UNREACHED = ("failed to connect to all", "dns resolution failed", "errors resolving")


@dataclass(frozen=True)
class FieldViolation:
    """A field that is not accepted, and why: the text names the value and what is accepted."""

    field: str
    description: str
    reason: str = ""
    """A constant for programs, such as REPLY_TOO_LARGE; empty if there is none."""


class TandemRpcError(Exception):
    """A call that did not succeed.

    `code` is the name of the gRPC status code, `message` the server's text, `retry_after_seconds` the delay that the
    server asks for, if it does.
    """

    def __init__(
        self,
        code: str,
        message: str,
        violations: tuple[FieldViolation, ...] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.violations = violations
        self.retry_after_seconds = retry_after_seconds


class InvalidArgument(TandemRpcError):
    """The request is wrong, and must change: `violations` name the fields."""


class ReplyTooLarge(InvalidArgument):
    """The reply would have more bytes than the server sends in one message; the text names the RPC that sends parts."""


class NotFound(TandemRpcError):
    """There is no such model; the message lists those there are."""


class Unauthenticated(TandemRpcError):
    """The call carried no API key, or one that the server does not know."""


class ResourceExhausted(TandemRpcError):
    """A queue is full, the API key's budget is used up (try again after `retry_after_seconds`), or the message is too
    large.
    """


class DeadlineExceeded(TandemRpcError):
    """The call took longer than `timeout_seconds`; the server has stopped the work."""


class Unavailable(TandemRpcError):
    """No server is ready for the request, or the server disappeared while it worked on it; a retry may succeed."""


class NotReachable(Unavailable):
    """No server answers at the address."""


class HandshakeFailed(Unavailable):
    """What answers does not speak gRPC, or the two sides cannot agree on TLS; the message says what to look at."""


class Cancelled(TandemRpcError):
    """The call was cancelled on this side."""


class Unimplemented(TandemRpcError):
    """The server does not offer this call: it is another kind of server, or the backend of other models."""


class Internal(TandemRpcError):
    """The server failed; its log has the details."""


_BY_NAME = {kind.__name__: kind for kind in TandemRpcError.__subclasses__()}
"""Each is called as its code is: NotFound stands for NOT_FOUND."""


@contextlib.contextmanager
def typed_errors(address: str, has_begun: bool = False) -> Iterator[None]:
    """Turn gRPC's errors into TandemRpcError; see `rpc_error`."""
    try:
        yield
    except grpc.RpcError as error:
        raise rpc_error(error, address, has_begun) from None


def rpc_error(error: Any, address: str, has_begun: bool = False) -> TandemRpcError:
    """Return the typed error that stands for one of grpc's, sync or asyncio; `has_begun` says whether a part of the
    reply was here before.
    """
    code, message = error.code().name, error.details() or ""
    if code == "DEADLINE_EXCEEDED" and _OUT_OF_TIME in message.lower():
        message = "the reply was not complete within the timeout"
    if code == "CANCELLED" and any(words in message.lower() for words in _ENDED_HERE):
        message = CANCELLED_HERE
    if has_begun and _is_cut_off(error):
        return Unavailable("UNAVAILABLE", "the reply was cut off before its end, as when the backend goes away")
    if code in _OF_TRANSPORT and _REMOVED in message.lower():
        return Unavailable("UNAVAILABLE", "the connection was closed before the reply was complete")
    violations: tuple[FieldViolation, ...] = ()
    retry_after_seconds = None
    for detail in _details(error.trailing_metadata()):
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            fields = error_details_pb2.BadRequest.FromString(detail.value).field_violations
            violations += tuple(FieldViolation(field.field, field.description, field.reason) for field in fields)
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
            retry_after_seconds = delay.ToNanoseconds() / 1e9
    if code == "INTERNAL" and message.startswith(_HTTP_ANSWER):
        return HandshakeFailed("UNAVAILABLE", f"{address} {_NOT_GRPC}")
    if code == "UNAVAILABLE" and message.lower().startswith(_UNREACHED):  # grpc's core says so in its text only
        if fault := next((fault for words, fault in _HANDSHAKE_FAULTS.items() if words in message), None):
            return HandshakeFailed(code, f"{address} {fault}")
        return NotReachable(code, f"nothing answers at {address}")
    kind = _BY_NAME.get(code.title().replace("_", ""), TandemRpcError)
    if any(violation.reason == _REPLY_TOO_LARGE for violation in violations):
        kind = ReplyTooLarge
    return kind(code, message, violations, retry_after_seconds)


def _details(trailers: Metadata | None) -> list[status_pb2.Status]:
    for key, value in trailers or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            with contextlib.suppress(DecodeError):
                return list(status_pb2.Status.FromString(value).details)
    return []


def _is_cut_off(error: Any) -> bool:
    """Return whether the proxy reset the stream, which is all that it can do when a backend dies over a reply.

    gRPC calls that INTERNAL. A server's own INTERNAL has another text, and its trailing metadata. The proxy resets a
    stream whose request it does not accept, too, but before the reply begins.
    """
    is_reset = error.code() is grpc.StatusCode.INTERNAL and _RESET in (error.details() or "")
    return is_reset and not tuple(error.trailing_metadata() or ())


_NOT_LET_IN = (
    f"answers, but closed the connection at once: it may require TLS, or a client's certificate that it trusts"
    f" ({CA}, {CERT}, {KEY})"
)
_NOT_GRPC = "answers, but not in gRPC: it may be an HTTP port (the gateway's is 8080, and 50050 is for gRPC)"
# By what grpc's core says of the last connection, in its text only.
_HANDSHAKE_FAULTS = {
    "CERTIFICATE_VERIFY_FAILED": f"shows a certificate that is out of date, or not signed by the trusted CA ({CA})",
    "Hostname Verification": "shows a certificate that is for another name",
    "WRONG_VERSION_NUMBER": f"does not use TLS; unset {CA} to connect without TLS",
    "Handshake read failed": (
        f"closed the connection in the TLS handshake: it may not use TLS (unset {CA}),"
        f" or require a client's certificate ({CERT}, {KEY})"
    ),
    "Failed parsing HTTP/2": _NOT_GRPC,
    "Socket closed": _NOT_LET_IN,
    # An alert that comes after the handshake: with TLS 1.3 a client's certificate is looked at when it is over.
    "TSI_DATA_CORRUPTED": _NOT_LET_IN,
}
