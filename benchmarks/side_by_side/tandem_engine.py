"""Ours, as an engine among the others: the sequential backend's own process, asked over gRPC."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

import grpc

from benchmarks.harness.processes import free_port, is_serving
from benchmarks.peers.engine import Arrival, Need, Prompt
from tandem.ar.v1 import ar_pb2, ar_pb2_grpc


class GrpcConnection:
    """See `benchmarks.peers.engine.Connection`. Whether the prefix cache is used is the server's own setting."""

    def __init__(self, channel: grpc.aio.Channel, model: str) -> None:
        self._stub = ar_pb2_grpc.AutoregressiveServiceStub(channel)
        self._model = model

    async def stream(self, prompts: list[Prompt], num_tokens: int, use_cache: bool) -> AsyncIterator[Arrival]:
        (prompt,) = prompts
        sampling = ar_pb2.SamplingParams(temperature=0.0, max_tokens=num_tokens, ignore_eos=True)
        request = ar_pb2.GenerateRequest(model=self._model, tokens=ar_pb2.TokenPrompt(ids=prompt), sampling=sampling)
        call = self._stub.Generate(request)
        try:
            async for response in call:
                if response.token_ids:
                    yield 0, list(response.token_ids)
        finally:
            call.cancel()  # no effect on one that has ended


@dataclass(frozen=True)
class Tandem:
    """Two servers: one with the prefix cache and one without."""

    model: str
    dtype: str
    is_static_batch: bool = False

    @property
    def name(self) -> str:
        return f"Tandem {self.dtype}"

    def set_up(self) -> dict[str, str]:
        return {name: version(name) for name in ("tandem-serving", "torch", "grpcio")}

    def command(self, need: Need, port: int) -> tuple[str, ...]:
        cache = "--prefix-cache" if need.prefix_cache else "--no-prefix-cache"
        ports = ("--port", str(port), "--metrics-port", str(free_port() if port else 0))
        return (sys.executable, "-m", "services.ar", *ports, "--models", self.model, "--dtype", self.dtype, cache)

    async def is_ready(self, port: int) -> bool:
        return await asyncio.to_thread(is_serving, port)

    @asynccontextmanager
    async def connect(self, port: int) -> AsyncIterator[GrpcConnection]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield GrpcConnection(channel, self.model)
