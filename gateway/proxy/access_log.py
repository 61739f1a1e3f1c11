"""One entry for each request, to the gateway's own server: the clock is made of these."""

from gateway.proxy.clusters import OBSERVER
from gateway.proxy.document import Json, extension, seconds
from gateway.proxy.headers import CALLER, TRANSPORT
from gateway.proxy.limits import Limits

LOG_NAME = "requests"
TIMEOUT = "grpc-timeout"
"""The client's deadline, which tells its end from a cancellation: a client resets the stream either way."""
SERVED = "tandem-served-bin"
"""What a backend says of a call at its end, a serialised tandem.common.v1.Served."""

# An error without a reply is "trailers only": what would be its trailers is in its headers.
LOGGED_OF_A_REPLY = ("grpc-status", "grpc-message", SERVED)


def access_log(limits: Limits) -> Json:
    """Return an access log of the products' own RPCs: probes and reflection are nobody's load."""
    common = {
        "log_name": LOG_NAME,
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": OBSERVER}},
        "buffer_flush_interval": seconds(limits.log_flush),
        "buffer_size_bytes": limits.log_buffer,
    }
    log = extension(
        "envoy.access_loggers.http_grpc",
        "extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
        common_config=common,
        additional_request_headers_to_log=[TRANSPORT, CALLER, TIMEOUT],
        additional_response_headers_to_log=list(LOGGED_OF_A_REPLY),
        additional_response_trailers_to_log=list(LOGGED_OF_A_REPLY),
    )
    return {**log, "filter": {"header_filter": {"header": {"name": ":path", "string_match": {"prefix": "/tandem."}}}}}
