"""Which sender it is: the one in C++, or the one in Python for HTTP, for TLS and where nothing can be compiled."""

from __future__ import annotations

from runtime.compiled.recipe import LibraryUnavailable
from tandem.client.credentials import Credentials
from tandem.measure.generator.native.opening import open_sender_library
from tandem.measure.generator.sending.grpc_calls import GrpcCalls
from tandem.measure.generator.sending.native_sender import NativeSender
from tandem.measure.generator.sending.python_sender import PythonSender
from tandem.measure.generator.sending.sender import Sender


def new_sender(address: str, num_connections: int, credentials: Credentials, is_http: bool = False) -> Sender:
    """Return a sender to `address` (host:port, or of HTTP a URL) that is not connected yet.

    Raises ConnectionError for no such host, ExpectedError for no such address.
    """
    if is_http:
        from tandem.measure.generator.sending.http.http_calls import HttpCalls

        return PythonSender(address, lambda: HttpCalls(address, num_connections, credentials))
    if credentials.ca is not None or _has_scheme(address):
        return _python_sender(address, num_connections, credentials)
    try:
        library = open_sender_library()
    except LibraryUnavailable:
        return _python_sender(address, num_connections, credentials)
    return NativeSender(library, address, num_connections, credentials.metadata or ())


def _python_sender(address: str, num_connections: int, credentials: Credentials) -> Sender:
    return PythonSender(address, lambda: GrpcCalls(address, num_connections, credentials))


def _has_scheme(address: str) -> bool:
    """Return whether only grpc can resolve an address, as unix:/a/socket or dns:///host:1."""
    return "/" in address
