"""Steady load through the gateway while something happens to what is behind it: every call and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from tests.containers.deployment import GATEWAY, WEB
from tests.faults.clients import GENERATE, SAMPLE, SAMPLE_STREAM, Client, Ended, images, picture
from tests.faults.loads import Kind, streamed

PATIENCE_SECONDS = 60.0
NUM_CLIENTS = 4  # that backends tell apart, so that none of them fills the part of a queue that one may hold
IMAGE = Kind(SAMPLE, lambda number: images(1, number))
RESET = frozenset({"UNAVAILABLE", "INTERNAL"})  # of a stream that has begun: Envoy can only reset it
_NUMBER = re.compile(r"\d+(\.\d+)?")


def image_stream(count: int) -> Kind:
    """Return streams of so many images."""
    return Kind(SAMPLE_STREAM, lambda number: streamed(number, count))


def pictures(count: int) -> Kind:
    """Return streams of so many images in sequence."""
    return Kind(GENERATE, lambda number: picture(number, n=count))


@dataclass(frozen=True)
class OverHttp:
    """One image as JSON, with a deadline that only the gateway keeps."""

    http: httpx.AsyncClient
    path: str = "HTTP"

    async def call(self, _: Client, number: int, *, timeout_seconds: float) -> Ended:
        began, body = time.monotonic(), {"count": 1, "seed": str(number)}
        headers = {"grpc-timeout": f"{round(timeout_seconds * 1000)}m"}
        reply = await self.http.post(f"{WEB}{SAMPLE}", json=body, headers=headers, timeout=PATIENCE_SECONDS)
        code = reply.json()["error"]["status"] if reply.is_error else "OK"
        now = time.monotonic()
        return Ended(self.path, code, reply.text if reply.is_error else "", now - began, ended_at=now)


@dataclass
class Load:
    """Calls that begin when they are due, whatever has become of those before them; `async with` waits for all."""

    address: str = GATEWAY
    ended: list[Ended] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        self._clients = [await self._stack.enter_async_context(Client(self.address)) for _ in range(NUM_CLIENTS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*self._tasks)
        await self._stack.aclose()

    def of(self, path: str) -> list[Ended]:
        return [call for call in self.ended if call.path == path]

    def failed(self, path: str) -> list[Ended]:
        return [call for call in self.of(path) if not call.is_ok]

    def begin(self, kind: Kind | OverHttp, number: int, **options: Any) -> None:
        """Begin a call; the options are those of `Client.call`."""

        async def call() -> None:
            client = self._clients[number % NUM_CLIENTS]
            self.ended.append(await kind.call(client, number, **{"timeout_seconds": PATIENCE_SECONDS} | options))

        task = asyncio.create_task(call())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def open(self, kind: Kind, count: int) -> None:
        """Begin so many streams, and return once each has its first message."""
        begun = [asyncio.Event() for _ in range(count)]
        for number in range(count):
            self.begin(kind, number, on_message=begun[number].set)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*(event.wait() for event in begun))

    @asynccontextmanager
    async def steady(self, kind: Kind | OverHttp, rate: float, timeout_seconds: float = 10.0) -> AsyncIterator[None]:
        """Begin `rate` calls a second while the block runs."""
        sender = asyncio.create_task(self._send(kind, rate, timeout_seconds))
        try:
            yield
        finally:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender

    async def _send(self, kind: Kind | OverHttp, rate: float, timeout_seconds: float) -> None:
        begun, number = time.monotonic(), 0
        while True:
            number += 1
            await asyncio.sleep(begun + number / rate - time.monotonic())
            self.begin(kind, number, timeout_seconds=timeout_seconds)

    async def more(self, count: int) -> None:
        """Return when so many more calls have ended."""
        target = len(self.ended) + count
        await until(lambda: len(self.ended) >= target)


def shown(calls: Iterable[Ended]) -> dict[str, int]:
    """Return what a failing test should print: how many ended how."""
    return dict(Counter(f"{call.code}: {_NUMBER.sub('N', call.details)}" for call in calls))


async def until(holds: Callable[[], bool]) -> None:
    """Return when it holds. It is asked in a thread, and may wait there for an answer."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.02)
