"""The sender of one process and its connections, kept from one plan to the next."""

from __future__ import annotations

import time
from collections.abc import Callable

from tandem.client.credentials import Credentials
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.sending.opening import new_sender
from tandem.measure.generator.sending.sender import Sender

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
        address, num_connections, is_http = wanted
        sender = new_sender(address, num_connections, self._credentials, is_http)
        self._sender, self._made_for = sender, None
        await sender.connect(CONNECT_SECONDS)
        self._made_for = wanted
        return sender

    def used(self) -> None:
        """Take note that a run has just ended."""
        self._used_at = self._clock()

    async def close(self) -> None:
        if self._sender is not None:
            await self._sender.close()
        self._sender = None
