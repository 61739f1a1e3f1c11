"""How a connection is set up: its channel, its address, and credentials: certificates for TLS and an API key.

The only place of the client that reads the environment. Knows no service.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import grpc

from tandem.shared.errors import ExpectedError
from tandem.shared.loopback import is_local

CA, CERT, KEY, API_KEY = "TANDEM_CLIENT_CA", "TANDEM_CLIENT_CERT", "TANDEM_CLIENT_KEY", "TANDEM_API_KEY"
ADDRESS = "TANDEM_ADDRESS"

DEFAULT_ADDRESS = "127.0.0.1:50050"
"""Where `tandem up` puts the gateway."""

_MAX_BACKOFF_MS = 1_000

_Options = tuple[tuple[str, int], ...]

CallMetadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Credentials:
    """Files are PEM. With `ca` the connection is encrypted, and the server's certificate must be signed by it; `cert`
    and `key` are for a server that asks for a client's certificate. Without credentials the connection is plaintext and
    anonymous.
    """

    ca: Path | str | None = None
    cert: Path | str | None = None
    key: Path | str | None = None
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ExpectedError(f"cert ({CERT}) and key ({KEY}) go together; one of them is missing")
        if self.cert is not None and self.ca is None:
            raise ExpectedError(f"ca ({CA}) is missing: a client certificate needs the CA of the server as well")
        # Not shown: it is a secret, even where it is wrong.
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable() and self.api_key):
            raise ExpectedError(
                f"api_key ({API_KEY}) is not accepted; accepted: printable ASCII characters, at least one"
            )

    @classmethod
    def from_environment(cls) -> Self:
        """Return those of TANDEM_CLIENT_CA, TANDEM_CLIENT_CERT, TANDEM_CLIENT_KEY (files) and TANDEM_API_KEY."""
        ca, cert, key, api_key = (os.environ.get(name, "").strip() or None for name in (CA, CERT, KEY, API_KEY))
        return cls(ca, cert, key, api_key)

    @property
    def metadata(self) -> CallMetadata | None:
        """The metadata that each call carries, None if there is none."""
        return None if self.api_key is None else (("authorization", f"Bearer {self.api_key}"),)

    def of_channel(self) -> grpc.ChannelCredentials | None:
        """Return grpc's credentials, None for a plaintext connection. Raises OSError, ValueError for a bad file."""
        if self.ca is None:
            return None
        cert, key = _read(CERT, self.cert), _read(KEY, self.key)
        return grpc.ssl_channel_credentials(_read(CA, self.ca), key, cert)


def address_of_environment(default: str) -> str:
    """Return the gateway's address (host:port) from TANDEM_ADDRESS, `default` if it is not set."""
    return os.environ.get(ADDRESS, "").strip() or default


def _read(name: str, path: Path | str | None) -> bytes | None:
    if path is None:
        return None
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ExpectedError(f"{name}: {path}: {(error.strerror or str(error)).lower()}") from None
    if b"-----BEGIN " not in content:
        raise ExpectedError(f"{name}: {path}: this is not a PEM file")
    return content


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
