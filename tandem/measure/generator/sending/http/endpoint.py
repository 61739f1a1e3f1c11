"""Where an HTTP server is, as people write it: host:port, or a URL with or without a path."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from tandem.client.credentials import Credentials
from tandem.shared.errors import ExpectedError

_USUAL_PATH = "/v1"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Endpoint:
    """`path` has no slash at its end; without one in the address it is OpenAI's usual /v1."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, address: str) -> Self:
        """Return the endpoint of an address. Raises ExpectedError."""
        parts = urlsplit(address if "://" in address else f"http://{address}")
        try:
            port = parts.port or _PORTS.get(parts.scheme)
        except ValueError:
            port = None
        has_more = parts.query or parts.fragment or parts.username is not None
        is_plain = address.isascii() and address.isprintable() and " " not in address
        if not parts.hostname or port is None or parts.scheme not in _PORTS or has_more or not is_plain:
            raise ExpectedError(f"address: {address!r} is not accepted: HOST:PORT, or http(s)://HOST[:PORT][/PATH]")
        return cls(parts.scheme, parts.hostname, port, parts.path.rstrip("/") or _USUAL_PATH)

    @property
    def authority(self) -> str:
        """Return the host and port as the header `host` has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def url(self, path: str) -> str:
        return f"{self.scheme}://{self.authority}{self.path}/{path}"

    def tls(self, credentials: Credentials) -> ssl.SSLContext | None:
        """Return what the connection is encrypted with; None: it is not. Raises OSError for a file of no use."""
        if self.scheme == "http":
            return None
        context = ssl.create_default_context(cafile=credentials.ca)
        if credentials.cert is not None:
            context.load_cert_chain(credentials.cert, credentials.key)
        return context

    def head(self, path: str, credentials: Credentials) -> bytes:
        """Return a POST's head up to the number of its body's bytes, which is to follow with the rest."""
        lines = [f"POST {self.path}/{path} HTTP/1.1", f"host: {self.authority}", "user-agent: tandem-load"]
        lines += [f"{name}: {value}" for name, value in credentials.metadata or ()]
        lines += ["content-type: application/json", "accept: application/json, text/event-stream", "content-length: "]
        return "\r\n".join(lines).encode()
