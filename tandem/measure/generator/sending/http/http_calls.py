"""Calls over HTTP/1.1: a POST of JSON, answered by JSON or by server-sent events."""

from __future__ import annotations

import asyncio
import json

from tandem.client.credentials import Credentials
from tandem.measure.generator.sending.http.connection import Connection
from tandem.measure.generator.sending.http.endpoint import Endpoint
from tandem.measure.generator.sending.http.noted_socket import NotedSocket, connect
from tandem.measure.generator.sending.python_call import Calls, Order, PythonCall
from tandem.measure.generator.sending.statuses import (
    CANCELLED,
    DEADLINE_EXCEEDED,
    INTERNAL,
    OK,
    UNAVAILABLE,
    code_of_http,
)
from tandem.measure.generator.sending.tables import End

_MOST_TEXT = 500


class HttpCalls(Calls):
    """`num_connections` are opened ahead; more as they are needed, for each carries a request at a time. The one that
    was used last is used next.
    """

    def __init__(self, address: str, num_connections: int, credentials: Credentials) -> None:
        self._endpoint = Endpoint.of(address)
        self._credentials = credentials
        self._num_connections = num_connections
        self._tls = self._endpoint.tls(credentials)
        self._idle: list[Connection] = []
        self._heads: dict[str, bytes] = {}

    async def connect(self) -> None:
        self._idle += await asyncio.gather(*(self.new() for _ in range(self._num_connections)))

    async def close(self) -> None:
        for connection in self._idle:
            connection.abort()

    def idle(self) -> Connection | None:
        """Return a connection that is free, if there is one."""
        return self._idle.pop() if self._idle else None

    async def new(self) -> Connection:
        """Return a connection of its own. Raises OSError."""
        loop, host, port = asyncio.get_running_loop(), self._endpoint.host, self._endpoint.port
        if self._tls is not None:
            return (await loop.create_connection(lambda: Connection(self._lost), host, port, ssl=self._tls))[1]
        made, connected = Connection(self._lost), await connect(host, port)
        made.connection_made(NotedSocket(connected, made.take, made.connection_lost))
        return made

    def give_back(self, connection: Connection) -> None:
        """Take back a connection whose reply is whole."""
        if connection.is_reusable():
            self._idle.append(connection)
        else:
            connection.abort()

    def _lost(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def begin(self, order: Order) -> PythonCall:
        path = order.route.path
        head = self._heads.get(path) or self._endpoint.head(path, self._credentials)
        self._heads[path] = head
        return HttpCall(self, b"%b%d\r\n\r\n%b" % (head, len(order.message), order.message), order)


class HttpCall(PythonCall):
    """One exchange. A connection that was idle and turns out to be closed is replaced once, as all clients do."""

    def __init__(self, calls: HttpCalls, request: bytes, order: Order) -> None:
        super().__init__(order)
        self._calls, self._request = calls, request
        if (idle := calls.idle()) is not None:
            idle.prepare(self._take)
        self.wait_for_its_time()
        if idle is not None:
            idle.send(request)
        self._idle = idle
        self._work = asyncio.create_task(self._converse())

    def cancel(self, end: End) -> None:
        if not self._work.done():
            self.end, self.code = end, CANCELLED
            self._work.cancel()

    async def read_reply(self) -> None:
        await asyncio.wait([self._work], timeout=self.order.route.deadline_seconds)
        if not self._work.done():
            self.code, self.text = DEADLINE_EXCEEDED, "Deadline Exceeded"
            self._work.cancel()
        elif not self._work.cancelled():
            self._work.result()

    async def _converse(self) -> None:
        try:
            connection = self._idle or await self._send_anew()
            why = await connection.reply()
            if why is not None and connection.is_used and not connection.status:
                connection = await self._send_anew()
                why = await connection.reply()
        except OSError as error:
            self.code, self.text = UNAVAILABLE, str(error)
            return
        self.ended = connection.received_at - self.order.zero
        if why is not None:
            self.code, self.text = UNAVAILABLE, why
            return
        if (code := code_of_http(connection.status)) != OK:
            self.code, self.text = code, _text_of(bytes(connection.body)) or f"HTTP status {connection.status}"
        elif self.order.route.is_streamed and not connection.is_events:
            self.code, self.text = INTERNAL, "the reply is no stream of events"
        self._calls.give_back(connection)

    async def _send_anew(self) -> Connection:
        connection = await self._calls.new()
        connection.prepare(self._take)
        connection.send(self._request)
        return connection

    def _take(self, message: bytes, at: float) -> None:
        self.take(message, at - self.order.zero)


def _text_of(body: bytes) -> str:
    """Return the message of an error, or the beginning of a body that is none."""
    try:
        found = json.loads(body)
    except ValueError:
        return body[:_MOST_TEXT].decode(errors="replace").strip()
    error = found.get("error", found) if isinstance(found, dict) else found
    text = error.get("message", error) if isinstance(error, dict) else error
    return str(text)[:_MOST_TEXT]
