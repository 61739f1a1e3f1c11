"""How tests wait: for a condition, with a deadline that only a hang meets."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

LIMIT_SECONDS = 120.0


async def until(holds: Callable[[], Any]) -> Any:
    """Return what `holds`, a function or a coroutine function, returns as soon as that is true. Raises TimeoutError."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            found = holds()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.005)
