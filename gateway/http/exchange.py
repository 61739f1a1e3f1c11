"""One HTTP request and its reply, over ASGI: a bounded body in, one JSON document or JSON lines out.

Knows nothing of RPCs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from gateway.http.errors import Cancelled, error_body, error_headers, http_status
from runtime.deadlines import Deadline
from tandem.shared.errors import DeadlineExceeded, InvalidArgument, MessageTooLarge, TandemError

MAX_BODY_BYTES = 1024 * 1024

# The backend ends a request at its deadline; this one is for a client that does not read what it is sent.
GRACE_SECONDS = 0.1


class Exchange:
    """Call `body` first; then the client's leaving can be noticed beside the reply."""

    max_body_bytes: ClassVar[int] = MAX_BODY_BYTES
    """The largest body that `body` accepts."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers = Headers(scope=scope)
        self._about: Mapping[str, str] = {}  # headers of every reply
        self._has_begun = False
        self._scope = scope
        self._receive = receive
        self._send = send

    @property
    def parameters(self) -> dict[str, str]:
        """Those of the path and of the query, which is what a GET asks with."""
        return {**QueryParams(self._scope["query_string"]), **self._scope.get("path_params", {})}

    async def body(self) -> bytes:
        """Return the whole body. Raises InvalidArgument, MessageTooLarge; CancelledError if the client leaves.

        Envoy passes a body on when it is whole, up to 4 MiB. JSON is asked for by name, since a form of another site
        could send any of the other types without asking.
        """
        content_type = self.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise InvalidArgument("content-type", content_type, "'application/json'")
        if len(body := await self.raw_body()) > self.max_body_bytes:
            raise MessageTooLarge(len(body), self.max_body_bytes)
        return body

    async def raw_body(self) -> bytes:
        """Return the whole body, whatever is in it. Raises InvalidArgument; CancelledError if the client leaves.

        Envoy has unpacked what came in gzip.
        """
        encoding = self.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise InvalidArgument("content-encoding", encoding, "'gzip' or 'identity'")
        body, more = bytearray(), True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise asyncio.CancelledError
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(body)

    @contextlib.asynccontextmanager
    async def while_wanted(self, deadline: Deadline) -> AsyncIterator[None]:
        """Cancel what runs inside when the client leaves; raise DeadlineExceeded when the deadline passes."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine runs in a task
        gone = asyncio.create_task(self._client_gone())
        gone.add_done_callback(lambda _: task.cancel() if not gone.cancelled() else None)
        seconds = deadline.remaining_seconds() + GRACE_SECONDS
        try:
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                yield
        except TimeoutError:
            raise DeadlineExceeded("before the reply was through") from None
        finally:
            gone.cancel()

    async def reply(self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send the whole reply."""
        await self.reply_bytes(to_json(content), status, headers)

    async def reply_bytes(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send the whole reply, JSON unless `headers` say something else."""
        about = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
        await self._begin(status, about)
        await self._send({"type": "http.response.body", "body": body})

    async def line(self, content: Any, is_last: bool = False) -> None:
        """Send one line of a reply in lines; waits while the client is slow to read."""
        if not self._has_begun:
            await self._begin(200, {"content-type": "application/x-ndjson"})
        await self._send({"type": "http.response.body", "body": to_json(content) + b"\n", "more_body": not is_last})

    async def events(self, data: bytes, is_last: bool = False) -> None:
        """Send server-sent events, which are whole; waits while the client is slow to read."""
        if not self._has_begun:
            await self._begin(200, {"content-type": "text/event-stream", "x-accel-buffering": "no"})
        await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})

    async def refuse(self, error: TandemError) -> None:
        """Send the error as the reply, or as the last line of one that has begun."""
        body = error_body(error)
        if self._has_begun:
            await self.line(body, is_last=True)
        else:
            await self.reply(body, http_status(error), error_headers(body))

    def cancellation(self, is_draining: bool) -> TandemError:
        """Return what a request is refused with that was cancelled, in a drain or because its client left."""
        return Cancelled("the request was cancelled, and its work stopped")

    async def _client_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        self._has_begun = True
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in {**headers, **self._about}.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})


def to_json(content: Any) -> bytes:
    """Return it as JSON."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
