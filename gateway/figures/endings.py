"""How a request ended, told from Envoy's log: the code that the client saw, and who turned the request away."""

from __future__ import annotations

import re

import grpc
from envoy.data.accesslog.v3.accesslog_pb2 import AccessLogCommon, HTTPAccessLogEntry

from gateway.proxy.access_log import TIMEOUT
from runtime.deadlines import RESET_TOLERANCE_SECONDS

GRPC_STATUS = "grpc-status"

# Reasons to turn a request away.
GATEWAY_FULL, BACKEND_FULL = "gateway_full", "backend_full"
DENIED = "denied"
"""No API key, or one whose budget is used up; not counted as shed."""

_NAMES = {str(code.value[0]): code.name for code in grpc.StatusCode}
_FULL = str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
_DENIED_DETAILS = "ext_authz_denied"
_UPSTREAM_DETAILS = "via_upstream"

_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_UNIT_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
# gRPC's core rounds a timeout up, to three digits, when it writes it into the header.
_ROUNDING = 0.01


def code_of(raw: HTTPAccessLogEntry, status: str, duration_seconds: float) -> str:
    """Return the name of the gRPC status code that the client saw; `status` is the grpc-status of the reply, or empty.

    A client that leaves sees its own reason, whatever was on its way to it. It resets its stream at its deadline just
    as when it cancels, so that its deadline tells which it was.
    """
    common = raw.common_properties
    if common.HasField("response_flags") and _left(common):
        timeout = timeout_seconds(raw.request.request_headers.get(TIMEOUT, ""))
        return "DEADLINE_EXCEEDED" if _explains(timeout, duration_seconds) else "CANCELLED"
    if status:
        return _NAMES.get(status, "UNKNOWN")
    # Envoy can only reset a stream whose reply has begun, and grpc clients call that INTERNAL.
    return "INTERNAL" if raw.response.HasField("response_code") else "UNAVAILABLE"


def refusal_of(raw: HTTPAccessLogEntry, status: str) -> str:
    """Return why the request was turned away, empty if it was not; `status` is the grpc-status of the reply."""
    details = raw.response.response_code_details
    if details == _DENIED_DETAILS:
        return DENIED
    if status != _FULL:
        return ""
    flags = raw.common_properties.response_flags
    if flags.upstream_overflow or flags.overload_manager:
        return GATEWAY_FULL
    return BACKEND_FULL if details == _UPSTREAM_DETAILS else ""


def timeout_seconds(header: str) -> float | None:
    """Return the seconds that a grpc-timeout header gives, None if there is none."""
    found = _TIMEOUT.fullmatch(header)
    return int(found[1]) * _UNIT_SECONDS[found[2]] if found else None


def _left(common: AccessLogCommon) -> bool:
    flags = common.response_flags
    return bool(flags.downstream_remote_reset or flags.downstream_connection_termination)


def _explains(timeout: float | None, duration_seconds: float) -> bool:
    """Return whether a call that its client reset after this time ended because of its deadline."""
    if timeout is None:
        return False
    tolerance = min(RESET_TOLERANCE_SECONDS, timeout / 2) + timeout * _ROUNDING
    return duration_seconds >= timeout - tolerance
