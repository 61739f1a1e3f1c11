"""Ways to ask the deployment for something: what a `Load` sends."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import httpx

from tandem.client import AsyncTandemClient, GenerateOptions, TandemRpcError
from tests.containers.deployment import GATEWAY, WEB
from tests.containers.load import Ask
from tests.containers.waiting import PATIENCE_SECONDS

NUM_CLIENTS = 4
AskerContext = AbstractAsyncContextManager[Ask]


@asynccontextmanager
async def image_asker(timeout_seconds: float = 10.0) -> AsyncIterator[Ask]:
    """Yield how to ask for one image by gRPC."""
    async with AsyncTandemClient(GATEWAY) as client:

        async def ask(number: int) -> None:
            await client.sample(1, seed=number, timeout_seconds=timeout_seconds)

        yield ask


@asynccontextmanager
async def several_clients(count: int) -> AsyncIterator[list[AsyncTandemClient]]:
    """Yield clients that backends tell apart, so that none of them fills the part of a queue that one may hold."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(AsyncTandemClient(GATEWAY)) for _ in range(count)]


@asynccontextmanager
async def stream_asker(count: int, begun: set[int] | None = None, timeout_seconds: float = 60.0) -> AsyncIterator[Ask]:
    """Yield how to ask for a stream of images, all of which must come; its number joins `begun` with the first."""
    begun = set() if begun is None else begun
    async with several_clients(NUM_CLIENTS) as clients:

        async def ask(number: int) -> None:
            received, client = 0, clients[number % NUM_CLIENTS]
            async for part in client.sample_stream(count, seed=number, timeout_seconds=timeout_seconds):
                received += len(part)
                begun.add(number)
            assert received == count

        yield ask


@asynccontextmanager
async def pictures_asker(count: int, timeout_seconds: float = 60.0) -> AsyncIterator[Ask]:
    """Yield how to ask for images in sequence, streamed, all of which must come."""
    async with several_clients(NUM_CLIENTS) as clients:

        async def ask(number: int) -> None:
            ended, client = set(), clients[number % NUM_CLIENTS]
            options = GenerateOptions(label=number % 10, n=count, seed=number, timeout_seconds=timeout_seconds)
            async for chunk in client.generate(**options):
                if chunk.finish_reason:
                    ended.add(chunk.choice_index)
            assert ended == set(range(count))

        yield ask


@asynccontextmanager
async def http_asker(timeout_seconds: float) -> AsyncIterator[Ask]:
    """Yield how to ask for one image as JSON, with a deadline that only the gateway keeps."""
    headers = {"grpc-timeout": f"{round(timeout_seconds * 1000)}m"}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=WEB, headers=headers, timeout=PATIENCE_SECONDS, limits=limits) as client:

        async def ask(number: int) -> None:
            reply = await client.post("/tandem.gan.v1.GanService/Sample", json={"count": 1, "seed": str(number)})
            if reply.is_error:
                raise TandemRpcError(reply.json()["error"]["status"], reply.text)

        yield ask
