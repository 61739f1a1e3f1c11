"""grpcio's server, with options that hold against slow and hostile peers: for TLS, and where nothing was compiled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import grpc

from runtime.limits import MAX_MESSAGE_BYTES
from runtime.tls import ServerTls

OPTIONS: tuple[tuple[str, int], ...] = (
    # Without this a second server on the same port starts without complaint and takes half of the requests.
    ("grpc.so_reuseport", 0),
    # Somewhat above our own limit: what the core refuses looks to the handler like a client that went away, so the
    # usual oversized message is refused, and counted, by runtime.rpc.message.read_message.
    ("grpc.max_receive_message_length", 2 * MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    # Only bit 0, which stands for "not compressed", is set: compressed messages are refused.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    # This bounds what one connection makes a server hold before anything is admitted: 1,024 messages of at most 8 MiB,
    # each for at most MESSAGE_TIMEOUT_SECONDS. Calls would need far fewer, but the core counts cancelled calls until it
    # has cleaned up after them, and refuses others until then.
    ("grpc.max_concurrent_streams", 1024),
    ("grpc.server_handshake_timeout_ms", 3_000),
    # Old connections end, so that clients behind round-robin DNS meet new replicas; open calls get the grace.
    ("grpc.max_connection_age_ms", 60_000),
    ("grpc.max_connection_age_grace_ms", 600_000),
    # A quiet generation may last: clients that ping meanwhile are not hostile.
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)
AGELESS = tuple(option for option in OPTIONS if not option[0].startswith("grpc.max_connection_age"))
"""For a connection with calls of many clients, or with one that lasts as long as the process."""


class GrpcioServer:
    """A transport of `runtime.server.server`; `host` may be a Unix socket as well, as unix:PATH.

    Unlike `runtime.http2`, it does not bound the memory of replies that a client does not read.
    """

    def __init__(self, tls: ServerTls | None = None, options: Sequence[tuple[str, int]] = OPTIONS) -> None:
        self._tls = tls
        self._server = grpc.aio.server(options=options)

    async def start(self, host: str, port: int, handlers: Iterable[grpc.GenericRpcHandler]) -> int:
        """Bind, take calls from now on, and return the port. Raises OSError."""
        self._server.add_generic_rpc_handlers(tuple(handlers))
        named = f"[{host}]" if ":" in host else host
        address = host if host.startswith("unix:") else f"{named}:{port}"
        try:
            bound = self._add_port(address)
        except RuntimeError as error:
            raise OSError(str(error)) from None
        await self._server.start()
        return bound

    def _add_port(self, address: str) -> int:
        if self._tls is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, self._tls.grpc_credentials())

    async def stop(self, drain_seconds: float) -> None:
        """Take no new calls, let open ones finish for `drain_seconds`, then cancel them."""
        await self._server.stop(drain_seconds)
