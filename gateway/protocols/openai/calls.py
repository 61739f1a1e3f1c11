"""The calls of our own RPCs that one request of this API comes to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from gateway.access.access import Access
from gateway.http.errors import UpstreamError
from gateway.identity import Identity
from gateway.protocols.fields import Names, renamed, violation_of
from gateway.upstream import Upstream
from runtime.deadlines import Deadline
from runtime.rpc.routes import Route, all_routes
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import ReplyTooLarge, TandemError

TRANSPORT = "openai"
"""The metrics' label of what comes in by this protocol."""

ROUTES: Mapping[str, Route] = {route.rpc: route for route in all_routes() if route.rpc != "ListModels"}
"""The RPCs by their names."""

Refused = Callable[[Route, BaseException], None]
"""Counts a call that was not let in."""


class Calls:
    """Each call costs its caller a request, as over gRPC; what only helps one that is charged (`is_aid`) is free."""

    def __init__(
        self, access: Access, upstream: Upstream, identity: Identity, deadline: Deadline, refused: Refused
    ) -> None:
        self._access = access
        self._upstream = upstream
        self._identity = identity
        self._deadline = deadline
        self._refused = refused
        self.route: Route | None = None
        """What the request counts as if it is refused before any call; None if that is not known before it is read."""
        self.is_counted = False
        """Whether the metrics know of the request: by Envoy's log, once a call was sent, or as a refused call."""

    def will_be(self, rpc: str) -> None:
        """Say of which RPC the request is, where that is seen only when it is read."""
        self.route = ROUTES[rpc]

    async def unary(self, rpc: str, message: Message, names: Names, is_aid: bool = False) -> Any:
        """Return the reply. Raises TandemError; one about a field names that of the body, as `names` say."""
        route = self._admitted(rpc, is_aid)
        try:
            raw = await self._upstream.unary(route, message.SerializeToString(), self._identity, self._deadline)
        except UpstreamError as error:
            raise renamed(error, names) from error
        return route.response_class.FromString(raw)

    async def stream(self, rpc: str, message: Message, names: Names) -> AsyncGenerator[Any, None]:
        """Yield the replies as they come. Raises as `unary` does."""
        route = self._admitted(rpc, is_aid=False)
        replies = self._upstream.stream(route, message.SerializeToString(), self._identity, self._deadline)
        try:
            async with contextlib.aclosing(replies):
                async for reply in replies:
                    yield route.response_class.FromString(reply)
        except UpstreamError as error:
            raise renamed(error, names) from error

    async def whole(self, request: ar_pb2.GenerateRequest, names: Names) -> ar_pb2.CompleteResponse:
        """Return all that a generation brings: in one message, or gathered from a stream if it might not fit one."""
        try:
            reply: ar_pb2.CompleteResponse
            reply = await self.unary("Complete", ar_pb2.CompleteRequest(generate=request), names)
            return reply
        except UpstreamError as error:
            if violation_of(error).reason != ReplyTooLarge.reason:
                raise
        async with contextlib.aclosing(self.stream("Generate", request, names)) as messages:
            # Large, or it would have fitted one message.
            return await asyncio.to_thread(gathered, [message async for message in messages])

    def _admitted(self, rpc: str, is_aid: bool) -> Route:
        route = ROUTES[rpc]
        self.is_counted = True
        if not is_aid:
            try:
                self._access.admit_known(route, self._identity.caller_id)
            except TandemError as error:
                self._refused(route, error)
                raise
        return route


def gathered(messages: list[Any]) -> ar_pb2.CompleteResponse:
    """Return the messages of a finished stream as Complete has them."""
    reply = ar_pb2.CompleteResponse()
    texts: dict[int, list[str]] = {}
    choices: dict[int, ar_pb2.GenerateResponse] = {}
    for message in messages:
        choices.setdefault(message.choice_index, ar_pb2.GenerateResponse()).MergeFrom(message)
        texts.setdefault(message.choice_index, []).append(message.text_delta)
        if message.HasField("usage"):
            reply.usage.CopyFrom(message.usage)
    for index in sorted(choices):
        choices[index].text_delta = "".join(texts[index])
        reply.choices.append(choices[index])
    return reply
