"""What Envoy answers of itself, in the product's words and with gRPC's right codes.

Left alone it says UNAVAILABLE where it is full, UNKNOWN to what is too large, and tells strangers about addresses.
"""

from __future__ import annotations

import base64

from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from gateway.proxy.document import Json
from gateway.proxy.limits import GRPC_PREFIX_BYTES, Limits

RETRY_SECONDS = 1
"""What a refused caller is told to wait: about as long as a request in front of its own takes."""

_BACKEND = "%UPSTREAM_CLUSTER% backend"


def local_replies(limits: Limits) -> Json:
    """Return an envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig."""
    full = "the gateway has as many requests in flight as it may"
    return {
        "mappers": [
            # Before overflow, which Envoy notes as well of a request that may not be tried again.
            _refused(_flags("UF"), StatusCode.UNAVAILABLE, f"{_BACKEND} is not reachable"),
            _refused(_flags("UC", "UR", "URX"), StatusCode.UNAVAILABLE, f"{_BACKEND} went away during the request"),
            _busy(["UO"], full),
            _busy(["OM"], "the gateway is out of memory for further requests"),
            _refused(_flags("UH"), StatusCode.UNAVAILABLE, f"{_BACKEND} is not ready"),
            _refused(_flags("SI"), StatusCode.DEADLINE_EXCEEDED, f"nothing was sent or read for {limits.silence:g} s"),
            _refused(_code(408), StatusCode.DEADLINE_EXCEEDED, f"the request was not here within {limits.request:g} s"),
            _refused(
                _code(413),
                StatusCode.RESOURCE_EXHAUSTED,
                f"the request is larger than the {limits.message - GRPC_PREFIX_BYTES} bytes that are accepted",
            ),
        ]
    }


def _busy(flags: list[str], message: str) -> Json:
    """Refuse for now: the caller is told when to come back, as google.rpc.RetryInfo."""
    retry = any_pb2.Any()
    retry.Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=RETRY_SECONDS)))
    code = StatusCode.RESOURCE_EXHAUSTED
    status = status_pb2.Status(code=code.value[0], message=message, details=[retry])
    details = base64.b64encode(status.SerializeToString()).decode("ascii").rstrip("=")
    return _refused(_flags(*flags), code, message, ("grpc-status-details-bin", details))


def _refused(when: Json, code: StatusCode, message: str, *headers: tuple[str, str]) -> Json:
    all_headers = (("grpc-status", str(code.value[0])), *headers)
    return {
        "filter": when,
        "headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in all_headers
        ],
        "body_format_override": {"text_format_source": {"inline_string": message}},
    }


def _flags(*flags: str) -> Json:
    return {"response_flag_filter": {"flags": list(flags)}}


def _code(code: int) -> Json:
    comparison = {"op": "EQ", "value": {"default_value": code, "runtime_key": f"tandem.code_{code}"}}
    return {"status_code_filter": {"comparison": comparison}}
