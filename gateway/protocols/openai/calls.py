"""The calls of our own RPCs that one request of this API comes to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from google.protobuf.message import Message

from gateway.admission import Admission
from gateway.http.errors import UpstreamError
from gateway.protocols.catalogue import Catalogue
from gateway.protocols.fields import Names, rename_field, violation_of
from runtime.rpc.choices import join_messages
from runtime.rpc.routes import Route, all_routes
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import ReplyTooLarge

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
        try:
            reply: ar_pb2.CompleteResponse
            reply = await self.unary("Complete", ar_pb2.CompleteRequest(generate=request), names)
            return reply
        except UpstreamError as error:
            if violation_of(error).reason != ReplyTooLarge.reason:
                raise
        async with contextlib.aclosing(self.stream("Generate", request, names)) as messages:
            # Large, or it would have fitted one message.
            return await asyncio.to_thread(join_messages, [message async for message in messages])
