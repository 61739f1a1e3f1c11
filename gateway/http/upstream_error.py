"""How a call of the HTTP server's ended, as its own client may know it: code, message, google.rpc details."""

import logging
from collections.abc import Mapping

import grpc

from runtime.errors import Internal, ModelFault, TandemError, Unavailable

logger = logging.getLogger(__name__)

# Texts of these codes may come from the transport or an unhandled exception: the log gets them, the client does not.
_NOT_FOR_CLIENTS = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
# But for these: they are the same each time and tell nothing of the backend.
_FIXED_TEXTS = (str(Internal()), str(ModelFault()))
# How grpc tells, among other words, that Envoy has cut a stream off, as when a backend dies in the middle of one.
_CUT_OFF = "Received RST_STREAM"


class UpstreamError(TandemError):
    """Expected error: the call ended with a status of its own; `trailers` is its trailing metadata."""

    def __init__(self, code: str, message: str, trailers: Mapping[str, str | bytes]) -> None:
        super().__init__(message)
        self.code = code
        self.trailers = trailers


def upstream_error(error: grpc.aio.AioRpcError, path: str) -> UpstreamError:
    """Return what the client shall see of `error`; `path` names the method in the log."""
    code, message, trailers = error.code(), error.details() or "", dict(error.trailing_metadata() or ())
    if code is grpc.StatusCode.INTERNAL and _CUT_OFF in message:
        return UpstreamError(Unavailable.code, "the backend went away during the request", trailers)
    if code in _NOT_FOR_CLIENTS and message not in _FIXED_TEXTS:
        logger.error("%s ended with %s: %s", path, code.name, message)
        return UpstreamError(code.name, str(Internal()), {})
    return UpstreamError(code.name, message, trailers)
