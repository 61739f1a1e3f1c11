"""Certificates for tests: authorities, and what they signed, made in memory, written as operators have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trustme

from runtime.tls import ChannelTls, Identity, ServerTls


class Authority:
    """A CA whose files are in `folder`, under names that begin with its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self._ca = trustme.CA()
        self._num_issued = 0
        self._folder = folder
        self._name = name
        self.ca = folder / f"{name}-ca.pem"
        self.ca.write_bytes(self._ca.cert_pem.bytes())

    def issue(self, name: str, *hosts: str) -> Identity:
        """Sign a certificate for these hosts."""
        leaf = self._ca.issue_cert(*(hosts or (name,)))
        self._num_issued += 1
        cert, key = (self._folder / f"{self._name}-{name}-{self._num_issued}.{suffix}" for suffix in ("crt", "key"))
        cert.write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
        key.write_bytes(leaf.private_key_pem.bytes())
        return Identity(cert, key)

    def server(self, *hosts: str, mutual: bool = False) -> ServerTls:
        """Return what a server on loopback, or at `hosts`, needs; with `mutual` it asks for this CA's certificates."""
        return ServerTls(self.issue("server", *(hosts or ("127.0.0.1",))), self.ca if mutual else None)

    def client(self, name: str = "") -> ChannelTls:
        """Return what a client that trusts this CA needs, with a certificate if it has a name."""
        return ChannelTls(self.ca, self.issue(name) if name else None)


def server_settings(tls: ServerTls) -> dict[str, Any]:
    """Return the settings of a server that shows this."""
    return {"tls_cert": tls.identity.cert, "tls_key": tls.identity.key, "tls_client_ca": tls.client_ca}


def backend_settings(tls: ChannelTls) -> dict[str, Any]:
    """Return the gateway's settings for backends that are reached so."""
    identity = tls.identity
    shown = {"backend_cert": identity.cert, "backend_key": identity.key} if identity else {}
    return {"backend_ca": tls.ca, **shown}
