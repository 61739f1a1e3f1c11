"""The parallel service with methods that answer at once, for tests to override; who observes its calls; its server."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc

from runtime.rpc.call import Call
from runtime.rpc.rpc import service_handler
from runtime.rpc.served import ServedLedger
from runtime.server.server import RpcServer
from tandem.gan.v1 import gan_pb2

DESCRIPTOR = gan_pb2.DESCRIPTOR.services_by_name["GanService"]
SAMPLE = f"/{DESCRIPTOR.full_name}/Sample"


class GanServicer:
    async def sample(self, request: gan_pb2.SampleRequest, call: Call) -> gan_pb2.SampleResponse:
        return gan_pb2.SampleResponse()

    async def sample_stream(
        self, request: gan_pb2.SampleStreamRequest, call: Call
    ) -> AsyncIterator[gan_pb2.SampleStreamResponse]:
        yield gan_pb2.SampleStreamResponse()

    async def discriminate(self, request: gan_pb2.DiscriminateRequest, call: Call) -> gan_pb2.DiscriminateResponse:
        return gan_pb2.DiscriminateResponse()

    async def list_models(self, request: gan_pb2.ListModelsRequest, call: Call) -> gan_pb2.ListModelsResponse:
        return gan_pb2.ListModelsResponse()


@dataclass
class Observer:
    """Notes how each call ended, how long it took and of which trace it was."""

    codes: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)

    def finished(self, rpc: str, code: str, seconds: float, trace_id: str) -> None:
        self.codes.append(code)
        self.seconds.append(seconds)
        self.traces.append(trace_id)

    def refused(self, rpc: str, code: str, count: int) -> None:
        self.codes.extend([code] * count)


@asynccontextmanager
async def running(
    servicer: GanServicer,
    observer: Observer,
    ledger: ServedLedger | None = None,
    handlers: Iterable[grpc.GenericRpcHandler] = (),
    names: Iterable[str] = (),
) -> AsyncIterator[tuple[RpcServer, grpc.aio.Channel]]:
    """Yield the server, with other handlers beside the service's, and a channel to it."""
    own = service_handler(DESCRIPTOR, servicer, observer, ledger)
    server = RpcServer("127.0.0.1", 0, [own, *handlers], [DESCRIPTOR.full_name, *names])
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield server, channel
    finally:
        await server.stop(1.0)
