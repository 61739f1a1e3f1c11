"""The connections to one HTTP server. Each carries a request at a time, so there are as many as requests under way."""

from __future__ import annotations

import asyncio
import ssl

from tandem.measure.generator.sending.http.connection import Connection
from tandem.measure.generator.sending.http.endpoint import Endpoint


class Pool:
    """Opens a connection when none is idle; the one that was used last is used next."""

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None) -> None:
        self._endpoint = endpoint
        self._tls = tls
        self._idle: list[Connection] = []

    async def open(self, count: int) -> None:
        """Open connections ahead. Raises OSError."""
        self._idle += await asyncio.gather(*(self.new() for _ in range(count)))

    async def take(self) -> Connection:
        """Return a connection that is free. Raises OSError."""
        return self._idle.pop() if self._idle else await self.new()

    async def new(self) -> Connection:
        """Return a connection of its own. Raises OSError."""
        endpoint = self._endpoint
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(
            lambda: Connection(self._lost), endpoint.host, endpoint.port, ssl=self._tls
        )
        return made

    def give_back(self, connection: Connection) -> None:
        """Take back a connection whose exchange is over."""
        if connection.finish():
            self._idle.append(connection)
        else:
            connection.abort()

    def close(self) -> None:
        for connection in self._idle:
            connection.abort()

    def _lost(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
