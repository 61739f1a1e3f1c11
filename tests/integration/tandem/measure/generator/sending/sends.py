"""A sender before a grpc.aio server of one's own: what is sent, and what is recorded of it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
import numpy as np

from tandem.client.credentials import Credentials
from tandem.measure.generator.sending.grpc_calls import GrpcCalls
from tandem.measure.generator.sending.native_sender import NativeSender
from tandem.measure.generator.sending.python_sender import PythonSender
from tandem.measure.generator.sending.sender import Load, Phase, Route, Sender
from tandem.measure.generator.sending.tables import REQUEST_SPEC, Seen
from tests.compiled import skip_without_compiler

SERVICE = "test.Service"
CREDENTIALS = Credentials(api_key="secret")
UNARY, STREAM = Route(f"/{SERVICE}/Unary", False), Route(f"/{SERVICE}/Stream", True)
LIMIT_SECONDS = 60


@contextlib.asynccontextmanager
async def serving(unary: Any = None, stream: Any = None, **options: int) -> AsyncIterator[str]:
    """Serve /test.Service/Unary and /Stream on a free port; `options` of grpc."""
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    if unary is not None:
        methods["Unary"] = grpc.unary_unary_rpc_method_handler(unary)
    if stream is not None:
        methods["Stream"] = grpc.unary_stream_rpc_method_handler(stream)
    server = grpc.aio.server(options=[(f"grpc.{name}", value) for name, value in options.items()])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@contextlib.asynccontextmanager
async def connected(kind: str, address: str, num_connections: int = 2) -> AsyncIterator[Sender]:
    if kind == "Python":
        sender: Sender = PythonSender(address, lambda: GrpcCalls(address, num_connections, CREDENTIALS))
    else:
        with skip_without_compiler():
            sender = NativeSender(address, num_connections, CREDENTIALS.metadata or ())
    await sender.connect(LIMIT_SECONDS)
    try:
        yield sender
    finally:
        await sender.close()


def closed_loop(callers: int = 4, **settings: Any) -> Load:
    usual = {"zero": time.monotonic(), "ends_at": math.inf, "drain_seconds": 5.0, "is_open": False}
    usual |= {"callers": [(0.0, math.inf)] * callers, "pause_seconds": 0.0}
    return Load(**(usual | settings))


def open_loop(**settings: Any) -> Load:
    usual = {"zero": time.monotonic() + 0.05, "ends_at": math.inf, "drain_seconds": 5.0}
    return Load(**(usual | {"is_open": True, "max_outstanding": 1000} | settings))


async def sent(
    sender: Sender,
    routes: Sequence[Route],
    messages: Sequence[bytes],
    load: Load,
    intended: Sequence[float] | None = None,
    cancel_after: float = math.inf,
    until: Callable[[], Awaitable[None]] | None = None,
) -> Seen:
    """Send each message once, on the routes in turn; `until` returns when the sender is to be stopped."""
    framed = [struct.pack(">BI", 0, len(message)) + message for message in messages]
    specs = np.zeros(len(messages), REQUEST_SPEC)
    specs["pause"] = np.nan
    specs["number"] = np.arange(len(messages))
    specs["intended"] = math.nan if intended is None else intended
    specs["cancel_after"] = cancel_after
    specs["size"] = [len(each) for each in framed]
    specs["begin"] = np.cumsum(specs["size"]) - specs["size"]
    specs["route"] = specs["number"] % len(routes)
    sender.feed(specs, b"".join(framed), True)
    sender.begin(routes, load)
    if until is not None:
        await until()
        sender.stop()
    async with asyncio.timeout(LIMIT_SECONDS):
        while sender.progress().phase != Phase.DONE:
            await asyncio.sleep(0.01)
    return sender.collect()
