"""Asking an engine, and what a reply tells: when tokens came, and which. Knows neither workloads nor servers."""

import asyncio
import itertools
import time
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks.peers.engine import Connection, Engine, Prompt

Result = TypeVar("Result")


class WrongOutput(Exception):
    """Expected: an engine answered with something else than was asked for; its times would mean nothing."""


@dataclass
class Reply:
    """One output: its tokens, and when each message with some of them came."""

    sent: float
    times: list[float] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)

    @property
    def first_seconds(self) -> float:
        return self.times[0] - self.sent

    @property
    def gaps(self) -> list[float]:
        """Seconds between messages; several tokens that come together are one message."""
        return [b - a for a, b in itertools.pairwise(self.times)]


class Asker:
    """Asks one engine over one connection."""

    def __init__(self, engine: Engine, connection: Connection) -> None:
        self._takes_batches = engine.is_static_batch
        self._connection = connection

    async def ask(self, prompts: Sequence[Prompt], num_tokens: int, use_cache: bool = False) -> list[Reply]:
        """Send all prompts at once; return the replies in their order. Raises WrongOutput if one has another length."""
        requests = [list(prompts)] if self._takes_batches else [[prompt] for prompt in prompts]
        replies = await together(self._request(request, num_tokens, use_cache) for request in requests)
        found = [reply for part in replies for reply in part]
        for reply in found:
            if len(reply.ids) != num_tokens:
                raise WrongOutput(f"{len(reply.ids)} tokens where {num_tokens} were asked for")
        return found

    async def follow(self, prompt: Prompt, num_tokens: int, reply: Reply) -> None:
        """Add what comes to `reply`, for one who watches it grow or cancels it."""
        async for _, ids in self._connection.stream([prompt], num_tokens, False):
            reply.times.append(time.perf_counter())
            reply.ids += ids

    async def _request(self, prompts: list[Prompt], num_tokens: int, use_cache: bool) -> list[Reply]:
        replies = [Reply(time.perf_counter()) for _ in prompts]
        async for row, ids in self._connection.stream(prompts, num_tokens, use_cache):
            replies[row].times.append(time.perf_counter())
            replies[row].ids += ids
        return replies


async def together(coroutines: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Return all results; if one fails, end the others first and raise what it raised."""
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
