"""One HTTP request and its reply, over ASGI: a bounded body in, one JSON document or JSON lines out.

Knows nothing of RPCs.
"""

import asyncio
import json
import re
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from runtime.errors import InvalidArgument, MessageTooLarge

MAX_BODY_BYTES = 1024 * 1024

_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class HttpExchange:
    """Call `body` first; then `client_gone` may be awaited beside the reply."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers = Headers(scope=scope)
        self.has_begun = False
        self._receive = receive
        self._send = send

    def timeout_seconds(self) -> float | None:
        """Return the time that the client gives, None if it sets none. Raises InvalidArgument."""
        value = self.headers.get("grpc-timeout")
        if value is None:
            return None
        match = _TIMEOUT.fullmatch(value)
        if match is None:
            raise InvalidArgument("grpc-timeout", value, "1 to 8 digits and a unit: H, M, S, m, u or n")
        return int(match[1]) * _SECONDS[match[2]]

    async def body(self) -> bytes:
        """Return the whole body. Raises InvalidArgument, MessageTooLarge; CancelledError if the client leaves.

        Envoy waits for a body, however slowly it comes, and passes it on when it is whole. JSON is asked for by name,
        since a form of another site could send any of the other types without asking.
        """
        content_type = self.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise InvalidArgument("content-type", content_type, "'application/json'")
        announced = self.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
            raise MessageTooLarge(int(announced), MAX_BODY_BYTES)
        body = bytearray()
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise asyncio.CancelledError
            body += message.get("body", b"")
            if len(body) > MAX_BODY_BYTES:
                raise MessageTooLarge(len(body), MAX_BODY_BYTES)
            if not message.get("more_body"):
                return bytes(body)

    async def client_gone(self) -> None:
        """Return when the client has left."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def reply(self, status: int, content: Any, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send the whole reply."""
        body = _encoded(content)
        await self._begin(status, "application/json", (*headers, ("content-length", str(len(body)))))
        await self._send({"type": "http.response.body", "body": body})

    async def line(self, content: Any) -> None:
        """Send one line of a reply in lines; waits while the client is slow to read."""
        await self._write(content, more=True)

    async def end_lines(self, content: Any) -> None:
        """Send the last line."""
        await self._write(content, more=False)

    async def _write(self, content: Any, more: bool) -> None:
        if not self.has_begun:
            await self._begin(200, "application/x-ndjson", ())
        body = _encoded(content) + b"\n"
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def _begin(self, status: int, content_type: str, headers: Iterable[tuple[str, str]]) -> None:
        self.has_begun = True
        pairs = [("content-type", content_type), *headers]
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})


def _encoded(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
