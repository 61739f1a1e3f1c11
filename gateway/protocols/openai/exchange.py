"""One HTTP request and its reply in this API's words: JSON, or server-sent events."""

from __future__ import annotations

import uuid
from typing import ClassVar

from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope, Send

from gateway.http.errors import http_status
from gateway.http.exchange import Exchange, encoded
from gateway.protocols.openai.errors import openai_body, openai_headers
from gateway.protocols.openai.replies.reply import Reply
from tandem.shared.errors import TandemError

MAX_BODY_BYTES = 4_000_000
"""Evaluators send hundreds of prompts at a time; a little below what Envoy lets through."""

_EVENTS = {"content-type": "text/event-stream", "x-accel-buffering": "no"}


class OpenAiExchange(Exchange):
    """Every reply has the header x-request-id, whose value Envoy gave the request."""

    max_body_bytes: ClassVar[int] = MAX_BODY_BYTES

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self._about = {"x-request-id": self.headers.get("x-request-id") or uuid.uuid4().hex}
        self.parameters = {**QueryParams(scope["query_string"]), **scope.get("path_params", {})}
        """Those of the path and of the query, which is what a GET asks with."""

    async def reply_with(self, reply: Reply) -> None:
        """Send the whole reply."""
        await self.reply_encoded(reply.encoded())

    async def reply_encoded(self, body: bytes) -> None:
        """Send a whole reply that is written out already."""
        await self.reply_bytes(body, headers=self._about)

    async def events(self, data: bytes) -> None:
        """Send events that are written out already; waits while the client is slow to read."""
        if not self._has_begun:
            await self._begin(200, {**_EVENTS, **self._about})
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Send the last events. A stream without this was torn, and HTTP itself says so."""
        if not self._has_begun:
            await self._begin(200, {**_EVENTS, **self._about})
        await self._send({"type": "http.response.body", "body": data})

    async def refuse(self, error: TandemError) -> None:
        """Send the error as the reply, or as the last event of one that has begun."""
        body = openai_body(error)
        if self._has_begun:
            await self.end(event(encoded(body), "error"))
        else:
            await self.reply(body, http_status(error), {**openai_headers(error), **self._about})


DONE = b"data: [DONE]\n\n"


def event(data: bytes, name: str = "") -> bytes:
    """Return a server-sent event; `data` is one line."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data) if name else b"data: %b\n\n" % data
