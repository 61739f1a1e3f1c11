"""Several streams as one, and several pieces of work at a time: the first that fails ends the others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

MAX_AT_A_TIME = 16
"""Calls that one request may have in flight; further ones wait."""


async def run_all(work: Sequence[Coroutine[Any, Any, T]], at_a_time: int = MAX_AT_A_TIME) -> list[T]:
    """Return all results, in order."""
    if len(work) == 1:  # needs no task of its own
        return [await work[0]]
    places = asyncio.Semaphore(at_a_time)

    async def run(piece: Coroutine[Any, Any, T]) -> T:
        async with places:
            return await piece

    tasks = [asyncio.create_task(run(piece)) for piece in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for piece in work:
            piece.close()  # no effect on what was begun


async def each_of(items: Iterable[T]) -> AsyncGenerator[T, None]:
    """Yield what is there already, as a stream."""
    for item in items:
        yield item


async def merge(streams: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """Yield what the streams yield, as it comes."""
    if len(streams) == 1:
        async with contextlib.aclosing(streams[0]) as only:
            async for item in only:
                yield item
        return
    ready: asyncio.Queue[T | None] = asyncio.Queue(MAX_AT_A_TIME)

    async def drain(stream: AsyncGenerator[T, None]) -> None:
        async with contextlib.aclosing(stream) as items:
            async for item in items:
                await ready.put(item)

    async def drain_all() -> None:
        try:
            await run_all([drain(stream) for stream in streams])
        except Exception:
            await ready.put(None)
            raise
        await ready.put(None)

    running = asyncio.create_task(drain_all())
    try:
        while (following := await ready.get()) is not None:
            yield following
        await running  # raises what ended it
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
