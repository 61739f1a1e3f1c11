"""One entry of Envoy's access log, as plain values."""

from __future__ import annotations

import binascii
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from gateway.figures.endings import GRPC_STATUS, code_of, refusal_of
from gateway.proxy.access_log import SERVED
from gateway.proxy.headers import CALLER, TRANSPORT
from tandem.common.v1.served_pb2 import Served

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """A request that has ended. All times are seconds after its head began to arrive, 0 where that did not happen."""

    path: str
    request_id: str
    transport: str
    caller: str
    """The identifier of the API key's owner; empty without keys."""
    code: str
    """The name of the gRPC status code that the client saw."""
    refusal: str
    """Why it was turned away: one of gateway.figures.endings' reasons, or empty."""
    num_attempts: int
    upstream: str
    """host:port of the replica that was asked last; empty if none was chosen."""
    received_seconds: float
    """The request was here, to its last byte."""
    asked_seconds: float
    """The first byte went to the replica that was asked last."""
    first_upstream_seconds: float
    last_upstream_seconds: float
    first_downstream_seconds: float
    last_downstream_seconds: float
    duration_seconds: float
    served: Served | None
    """What the backend told at the call's end; None if it told nothing."""

    @property
    def total_seconds(self) -> float:
        """Until the last byte went to the client, or until it left."""
        return self.last_downstream_seconds or self.duration_seconds


def read_entry(raw: HTTPAccessLogEntry) -> Entry:
    """Return what an entry of the log says."""
    common, request = raw.common_properties, raw.request
    headers = request.request_headers
    told = _told(raw)
    duration = _seconds(common.duration)
    return Entry(
        request.path,
        request.request_id,
        headers.get(TRANSPORT, ""),
        headers.get(CALLER, ""),
        code_of(raw, told.get(GRPC_STATUS, ""), duration),
        refusal_of(raw, told.get(GRPC_STATUS, "")),
        common.upstream_request_attempt_count,
        _address(raw),
        _seconds(common.time_to_last_rx_byte),
        _seconds(common.time_to_first_upstream_tx_byte),
        _seconds(common.time_to_first_upstream_rx_byte),
        _seconds(common.time_to_last_upstream_rx_byte),
        _seconds(common.time_to_first_downstream_tx_byte),
        _seconds(common.time_to_last_downstream_tx_byte),
        duration,
        _served(told.get(SERVED, "")),
    )


def _told(raw: HTTPAccessLogEntry) -> Mapping[str, str]:
    """Return the trailers, or the headers of a reply that has nothing else ("trailers only")."""
    response = raw.response
    trailers: Mapping[str, str] = response.response_trailers
    return trailers if GRPC_STATUS in trailers else response.response_headers


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos * 1e-9


def _address(raw: HTTPAccessLogEntry) -> str:
    address = raw.common_properties.upstream_remote_address.socket_address
    host = address.address
    if not host:
        return ""
    return f"[{host}]:{address.port_value}" if ":" in host else f"{host}:{address.port_value}"


def _served(encoded: str) -> Served | None:
    if not encoded:
        return None
    try:
        return Served.FromString(binascii.a2b_base64(encoded + "=" * (-len(encoded) % 4), strict_mode=True))
    except (binascii.Error, DecodeError):
        logger.warning("a backend's %s cannot be read", SERVED)
        return None
