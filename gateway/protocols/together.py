"""Several streams as one, and several pieces of work at a time: the first that fails ends the others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

MAX_AT_A_TIME = 16
"""Calls that one request may have in flight; further ones wait."""


async def run_all(work: Sequence[Coroutine[Any, Any, T]], at_a_time: int = MAX_AT_A_TIME) -> list[T]:
    """Return all results, in order."""
    places = asyncio.Semaphore(at_a_time)

    async def run(piece: Coroutine[Any, Any, T]) -> T:
        async with places:
            return await piece

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(piece)) for piece in work]
    except BaseExceptionGroup as errors:
        raise _first(errors) from None
    finally:
        for piece in work:
            piece.close()  # no effect on what was begun
    return [task.result() for task in tasks]


async def merge(streams: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """Yield what the streams yield, as it comes."""
    if len(streams) == 1:
        async with contextlib.aclosing(streams[0]) as only:
            async for item in only:
                yield item
        return
    ready: asyncio.Queue[T | _End] = asyncio.Queue(MAX_AT_A_TIME)

    async def drain(stream: AsyncGenerator[T, None]) -> None:
        async with contextlib.aclosing(stream) as items:
            async for item in items:
                await ready.put(item)

    async def drain_all() -> None:
        end = _End(None)
        try:
            await run_all([drain(stream) for stream in streams])
        except Exception as error:
            end = _End(error)
        await ready.put(end)

    running = asyncio.create_task(drain_all())
    try:
        while not isinstance(following := await ready.get(), _End):
            yield following
        if following.error is not None:
            raise following.error
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class _End(NamedTuple):
    """Comes behind the last item."""

    error: Exception | None


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first that is not a group itself."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
