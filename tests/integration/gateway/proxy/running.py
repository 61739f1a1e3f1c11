"""A real Envoy in front of backends by script, with an observer, and a client's channel to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from gateway.access.api_keys import load_api_keys
from gateway.proxy import bootstrap
from gateway.proxy.binary import find_envoy
from gateway.proxy.bootstrap import Limits
from gateway.proxy.process import Envoy
from gateway.proxy.sockets import Sockets, private_sockets
from gateway.settings import GatewaySettings
from gateway.tracing.settings import TracingSettings
from tests.integration.gateway.fakes import HOST
from tests.integration.gateway.proxy.backend import Backend
from tests.integration.gateway.proxy.observer import Observer, observing
from tests.integration.gateway.running import QUICK


@dataclass(frozen=True)
class Ended:
    """How a call ended."""

    code: grpc.StatusCode
    details: str
    trailers: dict[str, str | bytes]
    replies: list[bytes]


@dataclass(frozen=True)
class Proxy:
    """A running Envoy; `channel` is in the clear."""

    envoy: Envoy
    observer: Observer
    sockets: Sockets
    channel: grpc.aio.Channel

    @property
    def address(self) -> str:
        return f"{HOST}:{self.envoy.ports['grpc']}"

    def stream(self, path: str, request: bytes = b"", **options: Any) -> Any:
        return self.channel.unary_stream(path)(request, **options)

    async def call(self, path: str, request: bytes = b"", **options: Any) -> Ended:
        return await ended(self.stream(path, request, **options))

    async def until_serving(self, count: int) -> None:
        """Wait until Envoy takes so many replicas for healthy."""
        async with asyncio.timeout(60):
            while sum(each.is_serving for each in await self.envoy.admin.replicas()) != count:
                await asyncio.sleep(0.01)

    async def until_active(self, count: int) -> None:
        """Wait until so many requests are under way."""
        async with asyncio.timeout(60):
            while (await self.envoy.admin.counters()).requests_active != count:
                await asyncio.sleep(0.01)


async def ended(call: Any) -> Ended:
    """Read a call to its end."""
    replies: list[bytes] = []
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
        async for reply in call:
            replies.append(reply)
    return Ended(await call.code(), await call.details() or "", dict(await call.trailing_metadata() or ()), replies)


@contextlib.asynccontextmanager
async def proxy(
    ar: Sequence[Backend] = (),
    gan: Sequence[Backend] = (),
    limits: Limits = QUICK,
    tracing: TracingSettings | None = None,
    **settings: Any,
) -> AsyncIterator[Proxy]:
    """Run Envoy before these backends, until the end of the block."""
    targets = {"ar_targets": [each.target for each in ar], "gan_targets": [each.target for each in gan]}
    chosen = GatewaySettings(port=0, http_port=0, **{**targets, **settings})
    with private_sockets() as sockets:
        bootstrap.write(chosen, sockets, limits, tracing)
        envoy = Envoy(find_envoy(), sockets, chosen.workers)
        keys = load_api_keys(chosen.api_keys_file) if chosen.api_keys_file else []
        async with observing(sockets, keys) as observer:
            await envoy.start()
            try:
                async with client(f"{HOST}:{envoy.ports['grpc']}") as channel:
                    yield Proxy(envoy, observer, sockets, channel)
            finally:
                await envoy.stop()


def client(address: str, *options: tuple[str, int]) -> grpc.aio.Channel:
    """Return a channel with a connection of its own that takes messages of any size."""
    unbounded = [(f"grpc.max_{way}_message_length", -1) for way in ("send", "receive")]
    everything = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0), *unbounded, *options]
    return grpc.aio.insecure_channel(address, options=everything)
