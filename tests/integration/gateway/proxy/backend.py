"""A backend by script: a real gRPC server that answers every method of a paradigm with what a test chooses.

Run as a module it serves until it is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from runtime.rpc.routes import PARALLEL, SEQUENTIAL
from runtime.server.server import RpcServer
from runtime.tls import ServerTls
from tests.integration.gateway.fakes import HOST, FakeBackend

SERVED = b"\x00\xffa model"

Handler = Callable[[bytes, "Call"], AsyncIterator[bytes]]


@dataclass(frozen=True)
class Call:
    """A call as the backend sees it."""

    path: str
    headers: Mapping[str, str | bytes]
    seconds_left: float | None
    context: Any


class Backend(FakeBackend):
    """Every method runs `answer`, which yields the replies; a unary method sends the first one only."""

    def __init__(self, paradigm: str = SEQUENTIAL, host: str = HOST, tls: ServerTls | None = None) -> None:
        super().__init__(paradigm, None, tls, host)
        self.calls: list[Call] = []
        self.num_cancelled = 0
        self.cancelled = asyncio.Event()
        self.answer: Handler = echo

    def _new_server(self) -> RpcServer:
        methods = {method.name: self._handler(method) for method in self._service.methods}
        handler = grpc.method_handlers_generic_handler(self._service.full_name, methods)
        # Its handlers are of the kinds that grpcio alone serves.
        return RpcServer(self._host, self.port, [handler], [self._service.full_name], self._tls, "grpcio")

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


class Held:
    """An answer that says one thing, and the other when it may."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()

    async def __call__(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        yield b"first"
        await self.may_end.wait()
        yield b"last"


def aborting(code: grpc.StatusCode, details: str) -> Handler:
    """Return an answer that is an error."""

    async def abort(request: bytes, call: Call) -> AsyncIterator[bytes]:
        await call.context.abort(code, details)
        yield b""

    return abort


@contextlib.asynccontextmanager
async def backend_process() -> AsyncIterator[tuple[Process, str]]:
    """Run one in a process of its own, to be killed or frozen; yields the process and its host:port."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, stdout=PIPE)
    assert process.stdout is not None
    try:
        yield process, f"{HOST}:{int(await process.stdout.readline())}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def answer_slowly(request: bytes, call: Call) -> AsyncIterator[bytes]:
    """Answer as many times as the request says, a hundredth of a second before each."""
    for _ in range(int(request)):
        await asyncio.sleep(0.01)
        yield request


async def main() -> None:
    async with sequential() as backend:
        backend.answer = answer_slowly
        print(backend.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
