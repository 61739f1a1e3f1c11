"""The sender of one process and its connections, kept from one plan to the next.

It is the one in C++, or the one in Python for HTTP, for TLS and where nothing can be compiled.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from tandem.client.credentials import Credentials
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.sending.grpc_calls import GrpcCalls
from tandem.measure.generator.sending.http.http_calls import HttpCalls
from tandem.measure.generator.sending.native_sender import NativeSender, open_sender_library
from tandem.measure.generator.sending.python_sender import PythonSender
from tandem.measure.generator.sending.sender import Sender
from tandem.shared.compiled.recipe import LibraryUnavailable

CONNECT_SECONDS = 10.0
# Between runs nothing reads from a connection, so pings stay unanswered, and a server may close it.
MOST_IDLE_SECONDS = 5.0


class Connections:
    """They last while address, number and protocol are the same, and the next run soon follows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._used_at = 0.0
        self._sender: Sender | None = None
        self._made_for: tuple[str, int, bool] | None = None
        self._credentials = Credentials.from_environment()

    async def sender(self, plan: Plan) -> Sender:
        """Return a sender that is ready to begin. Raises ConnectionError if it has to connect and nobody is there."""
        wanted = (plan.address, plan.scenario.connections_per_process, plan.scenario.is_http)
        is_fresh = self._clock() - self._used_at <= MOST_IDLE_SECONDS
        if self._sender is not None and wanted == self._made_for and is_fresh:
            self._sender.reset()
            return self._sender
        await self.close()
        self._sender, self._made_for = new_sender(*wanted, self._credentials), None
        await self._sender.connect(CONNECT_SECONDS)
        self._made_for = wanted
        return self._sender

    def note_use(self) -> None:
        """Take note that a run has just ended."""
        self._used_at = self._clock()

    async def close(self) -> None:
        if self._sender is not None:
            await self._sender.close()
        self._sender = None


def new_sender(address: str, num_connections: int, is_http: bool, credentials: Credentials) -> Sender:
    """Return a sender to `address` (host:port, or of HTTP a URL) that is not connected yet.

    Raises ConnectionError for no such host, ExpectedError for no such address.
    """
    # Only grpc can resolve an address with a slash, as unix:/a/socket or dns:///host:1.
    if not is_http and credentials.ca is None and "/" not in address:
        with contextlib.suppress(LibraryUnavailable):
            return NativeSender(open_sender_library(), address, num_connections, credentials.metadata or ())
    kind = HttpCalls if is_http else GrpcCalls
    return PythonSender(address, lambda: kind(address, num_connections, credentials))
