"""A backend's refusal, carried to the client as it came: code, message, details."""

import logging

import grpc

from runtime.errors import Internal, ModelFault, TandemError

logger = logging.getLogger(__name__)

Trailers = tuple[tuple[str, str | bytes], ...]

# Texts of these codes may come from the transport or an unhandled exception: the log gets them, the client does not.
_NOT_FOR_CLIENTS = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
# But for these: they are the same each time and tell nothing of the backend.
_FIXED_TEXTS = (str(Internal()), str(ModelFault()))


class UpstreamError(TandemError):
    """Expected error: the backend ended the call with a status of its own."""

    def __init__(self, code: str, message: str, trailers: Trailers = ()) -> None:
        super().__init__(message)
        self.code = code
        self.trailers = trailers


def upstream_error(error: grpc.aio.AioRpcError, where: str) -> UpstreamError:
    """Return what the client shall see of `error`; `where` names the backend in the log."""
    code, message = error.code(), error.details() or ""
    if code in _NOT_FOR_CLIENTS and message not in _FIXED_TEXTS:
        logger.error("%s answered %s: %s", where, code.name, message)
        return UpstreamError(code.name, str(Internal()))
    return UpstreamError(code.name, message, _details(error))


def _details(error: grpc.aio.AioRpcError) -> Trailers:
    return tuple((key, value) for key, value in error.trailing_metadata() or () if _may_pass(key))


def _may_pass(key: str) -> bool:
    return not key.startswith("grpc-") or key in ("grpc-status-details-bin", "grpc-retry-pushback-ms")
