"""One request of this API: the calls of our own RPCs that it comes to, and its reply in JSON or server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import math
import uuid
from collections.abc import AsyncGenerator, Mapping
from typing import Any, ClassVar, TypeAlias

from google.protobuf.message import Message
from starlette.types import Receive, Scope, Send

from gateway.admission import Admission
from gateway.http.errors import UpstreamError, error_body, error_headers, http_status
from gateway.http.exchange import Exchange, to_json
from gateway.protocols.catalogue import Catalogue
from gateway.protocols.fields import Names, rename_field, violation_of
from runtime.rpc.choices import join_messages
from runtime.rpc.routes import Route, all_routes
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import PromptTooLong, ReplyTooLarge, TandemError, Unavailable

TRANSPORT = "openai"
"""The metrics' label of what comes in by this protocol."""

ROUTES: Mapping[str, Route] = {route.rpc: route for route in all_routes() if route.rpc != "ListModels"}
"""The RPCs by their names."""


class Calls:
    """Each call costs its caller a request, as over gRPC; what only helps one that is charged (`is_aid`) is free.

    `catalogue` has the models that calls are for.
    """

    def __init__(self, admission: Admission, catalogue: Catalogue) -> None:
        self._admission = admission
        self.catalogue = catalogue

    def will_be(self, rpc: str) -> None:
        """Say what the request counts as if it is refused before any call, where that is seen only when it is read."""
        self._admission.route = ROUTES[rpc]

    async def unary(self, rpc: str, message: Message, names: Names, is_aid: bool = False) -> Any:
        """Return the reply. Raises TandemError; one about a field names that of the body, as `names` say."""
        route = ROUTES[rpc]
        if not is_aid:
            self._admission.take(route)
        try:
            return route.response_class.FromString(await self._admission.unary(route, message.SerializeToString()))
        except UpstreamError as error:
            raise rename_field(error, names) from error

    async def stream(self, rpc: str, message: Message, names: Names) -> AsyncGenerator[Any, None]:
        """Yield the replies as they come. Raises as `unary` does."""
        route = ROUTES[rpc]
        self._admission.take(route)
        try:
            async with contextlib.aclosing(self._admission.stream(route, message.SerializeToString())) as replies:
                async for reply in replies:
                    yield route.response_class.FromString(reply)
        except UpstreamError as error:
            raise rename_field(error, names) from error

    async def whole(self, request: ar_pb2.GenerateRequest, names: Names) -> ar_pb2.CompleteResponse:
        """Return all that a generation brings: in one message, or gathered from a stream if it might not fit one."""
        whole = ar_pb2.CompleteRequest(generate=request)
        try:
            reply: ar_pb2.CompleteResponse = await self.unary("Complete", whole, names)
            return reply
        except UpstreamError as error:
            if violation_of(error).reason != ReplyTooLarge.reason:
                raise
        async with contextlib.aclosing(self.stream("Generate", request, names)) as messages:
            # Large, or it would have fitted one message.
            return await asyncio.to_thread(join_messages, [message async for message in messages])


MAX_BODY_BYTES = 4_000_000
"""Evaluators send hundreds of prompts at a time; a little below what Envoy lets through."""

Answer: TypeAlias = bytes | AsyncGenerator[bytes, None]
"""A whole reply, written out as JSON, or the events of a stream; these begin when there is something to say."""


class OpenAiExchange(Exchange):
    """Every reply has the header x-request-id, whose value Envoy gave the request."""

    max_body_bytes: ClassVar[int] = MAX_BODY_BYTES

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self._about = {"x-request-id": self.headers.get("x-request-id") or uuid.uuid4().hex}

    async def answer(self, answer: Answer) -> None:
        """Send a whole reply, or events as they come; waits while the client is slow to read.

        A stream without a last part was torn, and HTTP itself says so.
        """
        if isinstance(answer, bytes):
            await self.reply_bytes(answer)
            return
        async with contextlib.aclosing(answer) as events:
            async for each in events:
                await self.events(each)
        await self.events(b"", is_last=True)

    def cancellation(self, is_draining: bool) -> TandemError:
        """Return what says whether to try again, which clients of this API obey."""
        return Unavailable("the gateway is stopping") if is_draining else super().cancellation(is_draining)

    async def refuse(self, error: TandemError) -> None:
        """Send the error as the reply, or as the last event of one that has begun."""
        body = openai_body(error)
        if self._has_begun:
            await self.events(event(to_json(body), "error"), is_last=True)
        else:
            await self.reply(body, http_status(error), openai_headers(error))


DONE = b"data: [DONE]\n\n"


def event(data: bytes, name: str = "") -> bytes:
    """Return a server-sent event; `data` is one line."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data) if name else b"data: %b\n\n" % data


_KINDS: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", None),
    404: ("not_found_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    499: ("cancelled_error", "request_cancelled"),
    501: ("invalid_request_error", "not_implemented"),
    503: ("service_unavailable_error", "service_unavailable"),
    504: ("timeout_error", "deadline_exceeded"),
}
"""Type and code by status; of every other one they are ("server_error", None)."""


def openai_body(error: TandemError) -> dict[str, Any]:
    """Return {"error": {message, type, param, code}}."""
    kind, code = _KINDS.get(http_status(error), ("server_error", None))
    violation = violation_of(error)
    if violation.reason == PromptTooLong.reason:
        code = "context_length_exceeded"
    param = "model" if code == "model_not_found" else violation.field or None
    return {"error": {"message": str(error), "type": kind, "param": param, "code": code}}


def openai_headers(error: TandemError) -> dict[str, str]:
    """Return the headers that say whether, and when, to try again; official clients obey them."""
    headers = error_headers(body := error_body(error))
    delays = [float(detail["retryDelay"].rstrip("s")) for detail in body["error"]["details"] if "retryDelay" in detail]
    if delays:
        headers["retry-after-ms"] = str(max(1, math.ceil(delays[0] * 1e3)))
    # What is full passes; a field too long, or a deadline that the client itself has set, does not.
    headers["x-should-retry"] = "true" if delays or http_status(error) == 503 else "false"
    return headers
