"""A backend by script: a real gRPC server that answers every method of a paradigm with what a test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from runtime.rpc.routes import PARALLEL, SEQUENTIAL, SERVICES
from runtime.server.server import RpcServer
from runtime.tls import ServerTls

HOST = "127.0.0.1"
GENERATE = "/tandem.ar.v1.AutoregressiveService/Generate"
SCORE = "/tandem.ar.v1.AutoregressiveService/Score"
SAMPLE = "/tandem.gan.v1.GanService/Sample"
SAMPLE_STREAM = "/tandem.gan.v1.GanService/SampleStream"
SERVED = b"\x00\xffa model"

Handler = Callable[[bytes, "Call"], AsyncIterator[bytes]]


@dataclass(frozen=True)
class Call:
    """A call as the backend sees it."""

    path: str
    headers: Mapping[str, str | bytes]
    seconds_left: float | None
    context: Any


class Backend:
    """Every method runs `answer`, which yields the replies; a unary method sends the first one only."""

    def __init__(self, paradigm: str = SEQUENTIAL, host: str = HOST, tls: ServerTls | None = None) -> None:
        self.port = 0
        self.calls: list[Call] = []
        self.num_cancelled = 0
        self.cancelled = asyncio.Event()
        self.answer: Handler = echo
        self._host, self._tls, self._service = host, tls, SERVICES[paradigm]
        self._server: RpcServer | None = None

    @property
    def target(self) -> str:
        return f"{self._host}:{self.port}"

    async def __aenter__(self) -> Backend:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, serving: bool = True) -> None:
        methods = {each.name: self._handler(each) for each in self._service.methods}
        handler = grpc.method_handlers_generic_handler(self._service.full_name, methods)
        # Its handlers are of the kinds that grpcio alone serves.
        self._server = RpcServer(self._host, self.port, [handler], [self._service.full_name], self._tls, "grpcio")
        await self._server.start()
        self.port = self._server.port
        await self.set_serving(serving)

    async def set_serving(self, serving: bool) -> None:
        assert self._server is not None
        await self._server.health.set_serving(serving)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    def _handler(self, method: Any) -> Any:
        path = f"/{self._service.full_name}/{method.name}"

        async def replies(request: bytes, context: Any) -> AsyncIterator[bytes]:
            call = Call(path, dict(context.invocation_metadata()), context.time_remaining(), context)
            self.calls.append(call)
            context.set_trailing_metadata((("tandem-served-bin", SERVED),))
            try:
                async for reply in self.answer(request, call):
                    yield reply
            except asyncio.CancelledError:
                self.num_cancelled += 1
                self.cancelled.set()
                raise

        async def unary(request: bytes, context: Any) -> bytes:
            return await anext(replies(request, context))

        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(replies)
        return grpc.unary_unary_rpc_method_handler(unary)


async def echo(request: bytes, call: Call) -> AsyncIterator[bytes]:
    """Answer with the request, three times where it may."""
    for _ in range(3):
        yield request


async def never(request: bytes, call: Call) -> AsyncIterator[bytes]:
    """Do not answer."""
    await asyncio.Event().wait()
    yield b""


async def first_then_never(request: bytes, call: Call) -> AsyncIterator[bytes]:
    """Answer once, and then nothing more."""
    yield request
    await asyncio.Event().wait()


def sequential(**options: Any) -> Backend:
    return Backend(SEQUENTIAL, **options)


def parallel(**options: Any) -> Backend:
    return Backend(PARALLEL, **options)
