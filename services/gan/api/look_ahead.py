"""Parts made ahead of the reader: in order, a bounded number at a time, none left behind. Knows nothing of images."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


class Budget:
    """Bytes that parts made ahead may take, those of all streams of a process together."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.taken_bytes = 0

    def take(self, num_bytes: int) -> bool:
        """Take so many bytes if there are as many; return whether."""
        fits = self.taken_bytes + num_bytes <= self._max_bytes
        if fits:
            self.taken_bytes += num_bytes
        return fits

    def give_back(self, num_bytes: int) -> None:
        """Return so many of the bytes taken."""
        self.taken_bytes -= num_bytes


async def make_ahead(
    parts: Iterable[Coroutine[Any, Any, T]], max_ahead: int, budget: Budget, part_bytes: int
) -> AsyncGenerator[T, None]:
    """Yield what the coroutines return, in their order, with up to `max_ahead` of them under way at a time.

    One may always be under way; each further takes `part_bytes` of the budget, until the end. Raises what one of them
    raises. Those still under way at the end, however it comes, are cancelled.
    """
    pending: deque[asyncio.Task[T]] = deque()
    num_further = 0
    try:
        for part in parts:
            pending.append(asyncio.create_task(part))
            if len(pending) < max_ahead and (num_further >= len(pending) or budget.take(part_bytes)):
                num_further = max(num_further, len(pending))
                continue
            await asyncio.wait((pending[0],))
            yield pending.popleft().result()
        while pending:
            await asyncio.wait((pending[0],))
            yield pending.popleft().result()
    finally:
        budget.give_back(num_further * part_bytes)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
