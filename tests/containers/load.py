"""Steady load through the gateway while something happens to the replicas behind it: every request and how it ended."""

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tandem.client import TandemRpcError
from tests.containers.waiting import until

_NUMBER = re.compile(r"\d+(\.\d+)?")


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


def shown(outcomes: list[Outcome]) -> dict[str, int]:
    """Return what a failing test should print: how many ended how."""
    return dict(Counter(f"{outcome.code}: {_NUMBER.sub('N', outcome.message)}" for outcome in outcomes))


Ask = Callable[[int], Awaitable[None]]


@dataclass
class Load:
    """Requests sent when they are due, whatever has become of those before them."""

    outcomes: list[Outcome] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def of(self, kind: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.kind == kind]

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
        target = sum(bool(outcome.code) for outcome in self.outcomes) + count
        await until(lambda: sum(bool(each.code) for each in self.outcomes) >= target)
