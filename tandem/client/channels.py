"""How a client's channel is set up. Knows no service."""

import grpc

from tandem.client.credentials import Credentials
from tandem.shared.loopback import is_local

DEFAULT_ADDRESS = "127.0.0.1:50050"
"""Where `tandem up` puts the gateway."""

_MAX_BACKOFF_MS = 1_000

_Options = tuple[tuple[str, int], ...]


def open_channel(address: str, credentials: Credentials) -> grpc.Channel:
    """Return a channel to `address` (host:port) for ordinary code. Raises ValueError for a file that cannot be used."""
    options, secure = channel_options(address), credentials.of_channel()
    if secure is None:
        return grpc.insecure_channel(address, options=options)
    return grpc.secure_channel(address, secure, options=options)


def open_async_channel(
    address: str, credentials: Credentials, max_backoff_ms: int = _MAX_BACKOFF_MS
) -> grpc.aio.Channel:
    """Return the same for asyncio; while connections are refused, it tries again after `max_backoff_ms` at most."""
    options, secure = channel_options(address, max_backoff_ms), credentials.of_channel()
    if secure is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, secure, options=options)


def channel_options(address: str, max_backoff_ms: int = _MAX_BACKOFF_MS) -> _Options:
    """Return grpc's options for a channel to `address` (host:port)."""
    options: _Options = (
        # Channels with equal options would share one connection, and a connection is what identifies a caller without
        # a key: two clients in one process would count as one caller.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", -1),  # a batch of images may be large
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # After a refused connection the next call tries again at once, or nearly.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", max_backoff_ms),
    )
    if is_local(address):
        # grpc obeys http_proxy even for loopback, where no proxy can help.
        options += (("grpc.enable_http_proxy", 0),)
    return options
