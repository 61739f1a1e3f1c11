"""Steady load through the gateway while something happens to the replicas behind it: every request and how it ended."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import httpx

from tandem.client import AsyncTandemClient, ClassLabel, TandemRpcError
from tests.containers.deployment import GATEWAY, WEB

PATIENCE_SECONDS = 60.0


@dataclass
class Outcome:
    """A request: instants on the monotonic clock, and the status that its caller saw, "" while there is none."""

    kind: str
    sent_at: float
    ended_at: float = 0.0
    code: str = ""
    message: str = ""

    @property
    def seconds(self) -> float:
        return self.ended_at - self.sent_at

    def was_in_flight(self, at: float) -> bool:
        return self.sent_at <= at <= self.ended_at


def shown(outcomes: list[Outcome]) -> list[tuple[str, str, float]]:
    """Return what a failing test should print: status, message, seconds."""
    return [(each.code, each.message, round(each.seconds, 3)) for each in outcomes]


Ask = Callable[[int], Awaitable[None]]
AskerContext = AbstractAsyncContextManager[Ask]


@dataclass
class Load:
    """Requests sent when they are due, whatever has become of those before them."""

    outcomes: list[Outcome] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def of(self, kind: str) -> list[Outcome]:
        return [each for each in self.outcomes if each.kind == kind]

    def failed(self, kind: str) -> list[Outcome]:
        return [each for each in self.of(kind) if each.code != "OK"]

    @asynccontextmanager
    async def steady(self, kind: str, ask: Ask, rate: float) -> AsyncIterator[None]:
        """Send `rate` requests a second while the block runs; at its end wait for those under way."""
        sender = asyncio.create_task(self._send(kind, ask, rate))
        try:
            yield
        finally:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
            await asyncio.gather(*self._tasks)

    async def _send(self, kind: str, ask: Ask, rate: float) -> None:
        begun, number = time.monotonic(), 0
        while True:
            number += 1
            await asyncio.sleep(begun + number / rate - time.monotonic())
            task = asyncio.create_task(self.request(kind, ask, number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def request(self, kind: str, ask: Ask, number: int) -> None:
        """Send one request and note how it ends."""
        outcome = Outcome(kind, time.monotonic())
        self.outcomes.append(outcome)
        try:
            await ask(number)
        except TandemRpcError as error:
            outcome.code, outcome.message = error.code, error.message
        else:
            outcome.code = "OK"
        outcome.ended_at = time.monotonic()

    async def more(self, count: int) -> None:
        """Return when so many more requests have been sent and ended."""
        target = sum(bool(each.code) for each in self.outcomes) + count
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum(bool(each.code) for each in self.outcomes) < target:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def image_asker(timeout_seconds: float = 10.0) -> AsyncIterator[Ask]:
    """Yield how to ask for one image by gRPC."""
    async with AsyncTandemClient(GATEWAY) as client:

        async def ask(number: int) -> None:
            await client.sample(1, seed=number, timeout_seconds=timeout_seconds)

        yield ask


@asynccontextmanager
async def stream_asker(count: int, timeout_seconds: float = 60.0) -> AsyncIterator[Ask]:
    """Yield how to ask for a stream of images, all of which must come."""
    async with AsyncTandemClient(GATEWAY) as client:

        async def ask(number: int) -> None:
            received = 0
            async for part in client.sample_stream(count, seed=number, timeout_seconds=timeout_seconds):
                received += len(part)
            assert received == count

        yield ask


@asynccontextmanager
async def pictures_asker(count: int, timeout_seconds: float = 60.0) -> AsyncIterator[Ask]:
    """Yield how to ask for pictures in sequence, streamed, all of which must come."""
    async with AsyncTandemClient(GATEWAY) as client:

        async def ask(number: int) -> None:
            ended = set()
            label = ClassLabel(number % 10)
            async for chunk in client.generate(label, n=count, seed=number, timeout_seconds=timeout_seconds):
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
