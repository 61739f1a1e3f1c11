"""What one entry of Envoy's access log says of a request: its times, how it ended, and what its backend reported."""

from __future__ import annotations

import binascii
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.envoy.access_log_pb2 import HTTPAccessLogEntry
from gateway.proxy.admin import Endpoint
from gateway.proxy.sent_times import CLOCK, MODULE
from runtime.deadlines import RESET_TOLERANCE_SECONDS
from runtime.rpc.served import SERVED_METADATA
from tandem.common.v1.served_pb2 import Served

logger = logging.getLogger(__name__)

# Reasons to turn a request away.
GATEWAY_FULL, BACKEND_FULL = "gateway_full", "backend_full"
DENIED = "denied"
"""No API key, or one whose budget is used up; not counted as shed."""

_FULL_DETAILS = ("overload", "caller_share")  # of memory, and what caller_shares.cpp says
_STATUS, _FULL = "grpc-status", str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
_NAMES = {str(code.value[0]): code.name for code in grpc.StatusCode}
_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_UNIT_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
# Nearly as gRPC reads them (400 is INTERNAL there); these are the client's own mistakes.
_OF_HTTP = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "UNIMPLEMENTED"}
# gRPC's core rounds a timeout up, to three digits, when it writes it into the header.
_ROUNDING = 0.01


class Times(NamedTuple):
    """Seconds after the request's head arrived at the proxy's socket; 0 where that did not happen."""

    received: float
    """The request was here, to its last byte."""
    asked: float
    """The first byte went to the replica that was asked last."""
    first_upstream: float
    last_upstream: float
    first_downstream: float
    last_downstream: float
    ended: float
    unread: float = 0.0
    """For how long the head stood in the socket before the proxy read it."""
    reply_unread: float = 0.0
    """For how long the end of the reply did."""
    is_of_sockets: bool = False
    """Whether that is known. Otherwise the clock begins when the proxy reads the head."""

    @property
    def total(self) -> float:
        """Until the last byte went to the client, or until it left."""
        return self.last_downstream or self.ended


_BYTES = ("last_rx", "first_upstream_tx", "first_upstream_rx", "last_upstream_rx", "first_downstream_tx")
_TIMES = (*(f"time_to_{name}_byte" for name in (*_BYTES, "last_downstream_tx")), "duration")
_BILLION = 1_000_000_000


def times_of(raw: HTTPAccessLogEntry) -> Times:
    """Return when what happened."""
    common = raw.common_properties
    durations = [getattr(common, name) for name in _TIMES]
    seconds = [duration.seconds + duration.nanos * 1e-9 for duration in durations]
    metadata = common.metadata.filter_metadata
    if MODULE not in metadata:
        return Times(*seconds)
    return _of_sockets(seconds, common.start_time, metadata[MODULE].fields[CLOCK].string_value)


def _of_sockets(seconds: Sequence[float], start: Timestamp, clock: str) -> Times:
    """Return the times with what socket_clock.cpp has noted: when head and reply arrived.

    Those are nanoseconds since 1970, 0 where unknown. The wall clock may have been set meanwhile: nothing is below 0.
    """
    begun = start.seconds * _BILLION + start.nanos
    arrived, replied, _ = map(int, clock.split())
    unread = max(0, begun - (arrived or begun)) * 1e-9
    times = [instant + unread if instant else 0.0 for instant in seconds]
    _, asked, _, last_upstream, _, last_downstream, _ = times
    times[-1] = max(seconds[-1] + unread, last_downstream)
    reply_unread = last_upstream - unread - (replied - begun) * 1e-9 if replied else 0.0
    return Times._make((*times, unread, max(0.0, min(reply_unread, last_upstream - asked)), True))


def upstream_of(raw: HTTPAccessLogEntry) -> str:
    """Return host:port of the replica that was asked last; empty if none was chosen."""
    address = raw.common_properties.upstream_remote_address.socket_address
    return str(Endpoint(address.address, address.port_value)) if address.address else ""


def served_of(raw: HTTPAccessLogEntry) -> Served | None:
    """Return what the backend reported at the call's end, None if it reported nothing that can be read."""
    encoded = _last_words(raw).get(SERVED_METADATA, "")
    try:
        padded = encoded + "=" * (-len(encoded) % 4)
        return Served.FromString(binascii.a2b_base64(padded, strict_mode=True)) if encoded else None
    except (binascii.Error, DecodeError):
        logger.warning("a backend's %s cannot be read", SERVED_METADATA)
        return None


def status_of(raw: HTTPAccessLogEntry) -> str:
    """Return the grpc-status of the reply as it travelled, empty if there was none."""
    return _last_words(raw).get(_STATUS, "")


def code_of(raw: HTTPAccessLogEntry, status: str) -> str:
    """Return the name of the gRPC status code that the client saw; `status` is that of `status_of`.

    A client that leaves sees its own reason, whatever the server was sending. It resets its stream at its deadline just
    as when it cancels, so only its deadline shows which it was.
    """
    flags = raw.common_properties.response_flags
    if flags.downstream_remote_reset or flags.downstream_connection_termination:
        timeout = timeout_seconds(raw.request.request_headers.get("grpc-timeout", ""))
        return "DEADLINE_EXCEEDED" if _explains(timeout, times_of(raw).ended) else "CANCELLED"
    if status:
        return _NAMES.get(status, "UNKNOWN")
    if not raw.response.HasField("response_code"):
        return "UNAVAILABLE"
    # A request that is not gRPC's gets HTTP's status alone. Else the reply has begun: Envoy can only reset the stream,
    # and grpc clients call that INTERNAL.
    return _OF_HTTP.get(raw.response.response_code.value, "INTERNAL")


def refusal_of(raw: HTTPAccessLogEntry, status: str) -> str:
    """Return why the request was turned away, empty if it was not; `status` is that of `status_of`."""
    details = raw.response.response_code_details
    if details == "ext_authz_denied":
        return DENIED
    if status != _FULL:
        return ""
    if raw.common_properties.response_flags.upstream_overflow or details in _FULL_DETAILS:
        return GATEWAY_FULL
    return BACKEND_FULL if details == "via_upstream" else ""


def timeout_seconds(header: str) -> float | None:
    """Return the seconds that a grpc-timeout header gives, None if it is none."""
    found = _TIMEOUT.fullmatch(header)
    return int(found[1]) * _UNIT_SECONDS[found[2]] if found else None


def _last_words(raw: HTTPAccessLogEntry) -> Mapping[str, str]:
    """Return the trailers, or the headers of a reply that has nothing else ("trailers only")."""
    response: Any = raw.response
    trailers: Mapping[str, str] = response.response_trailers
    return trailers if _STATUS in trailers else response.response_headers


def _explains(timeout: float | None, seconds: float) -> bool:
    """Return whether a call that its client reset after this time ended because of its deadline."""
    return timeout is not None and seconds >= timeout - min(RESET_TOLERANCE_SECONDS, timeout / 2) - timeout * _ROUNDING
