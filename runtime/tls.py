"""TLS out of PEM files: checked once, at the start, then handed to grpc and to uvicorn.

Independent of the settings: it gets their names only for its errors.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from tandem.shared.errors import ExpectedError


class TlsFileError(ExpectedError):
    """Expected error: the operator must mend a file; the text names the setting, the file and what is wrong."""

    def __init__(self, setting: str, path: Path, fault: str) -> None:
        super().__init__(f"{setting}: {path}: {fault}")


@dataclass(frozen=True)
class Identity:
    """A certificate, with those that lead to its CA, and the private key to it."""

    cert: Path
    key: Path

    def check(self, cert_setting: str, key_setting: str) -> None:
        """Raise TlsFileError unless both can be used, and belong together."""
        check_certificates(cert_setting, self.cert)
        read(key_setting, self.key)

        def refuse_password() -> str:
            raise TlsFileError(key_setting, self.key, "the key is encrypted; a key without a passphrase is accepted")

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.cert, self.key, refuse_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                fault = f"the key does not belong to the certificate in {self.cert}"
            else:
                fault = "there is no private key in PEM format in it"
            raise TlsFileError(key_setting, self.key, fault) from None


@dataclass(frozen=True)
class ServerTls:
    """What a server shows, and whose clients it lets in: those that `client_ca` signed, everybody if there is none."""

    identity: Identity
    client_ca: Path | None = None

    def grpc_credentials(self) -> grpc.ServerCredentials:
        pair = (self.identity.key.read_bytes(), self.identity.cert.read_bytes())
        roots = self.client_ca.read_bytes() if self.client_ca else None
        return grpc.ssl_server_credentials([pair], roots, require_client_auth=roots is not None)


@dataclass(frozen=True)
class ChannelTls:
    """Whom a client trusts, and what it shows where a server asks."""

    ca: Path
    identity: Identity | None = None

    def grpc_credentials(self) -> grpc.ChannelCredentials:
        key, cert = (self.identity.key.read_bytes(), self.identity.cert.read_bytes()) if self.identity else (None, None)
        return grpc.ssl_channel_credentials(self.ca.read_bytes(), key, cert)


def read_identity(cert_setting: str, cert: Path | None, key_setting: str, key: Path | None) -> Identity | None:
    """Return the identity that two settings make, None if neither is set. Raises TlsFileError, ValueError."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        missing, given = (cert_setting, key_setting) if cert is None else (key_setting, cert_setting)
        raise ExpectedError(f"{missing}: not set, but {given} is; the two go together")
    identity = Identity(cert, key)
    identity.check(cert_setting, key_setting)
    return identity


def read_server_tls(identity: Identity | None, ca_setting: str, client_ca: Path | None) -> ServerTls | None:
    """Return the server's side of TLS, None if there is none. Raises TlsFileError, ValueError."""
    if client_ca is not None:
        check_certificates(ca_setting, client_ca)
    if identity is None and client_ca is not None:
        raise ExpectedError(f"{ca_setting}: set, but the server has no certificate of its own")
    return ServerTls(identity, client_ca) if identity else None


def read_channel_tls(ca_setting: str, ca: Path | None, identity: Identity | None) -> ChannelTls | None:
    """Return a client's side of TLS, None if there is none. Raises TlsFileError, ValueError."""
    if ca is not None:
        check_certificates(ca_setting, ca)
    if identity is not None and ca is None:
        raise ExpectedError(f"{ca_setting}: not set, but a certificate to show is; whom to trust must be said")
    return ChannelTls(ca, identity) if ca else None


def check_certificates(setting: str, path: Path) -> None:
    """Raise TlsFileError unless there is at least one certificate in the file."""
    text = read(setting, path).decode("ascii", "ignore")  # a comment may be in any encoding
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise TlsFileError(setting, path, "there is no certificate in PEM format in it") from None


def read(setting: str, path: Path) -> bytes:
    """Return the file's bytes. Raises TlsFileError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsFileError(setting, path, (error.strerror or str(error)).lower()) from None
