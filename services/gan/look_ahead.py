"""Parts made ahead of the reader: in order, a bounded number at a time, none left behind. Knows nothing of images."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def made_ahead(parts: Iterable[Coroutine[Any, Any, T]], max_ahead: int) -> AsyncGenerator[T, None]:
    """Yield what the coroutines return, in their order, with up to `max_ahead` of them under way at a time.

    Raises what one of them raises. Those still under way at the end, however it comes, are cancelled.
    """
    pending: deque[asyncio.Task[T]] = deque()
    try:
        for part in parts:
            pending.append(asyncio.create_task(part))
            if len(pending) == max_ahead:
                await asyncio.wait((pending[0],))
                yield pending.popleft().result()
        while pending:
            await asyncio.wait((pending[0],))
            yield pending.popleft().result()
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
