"""How tests wait: for a condition, with a deadline that only a hang meets."""

import asyncio
import inspect
import time
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


def wait_until(holds: Callable[[], Any], what: object = "") -> None:
    """Return as soon as `holds` returns what is true; for tests without an event loop. Raises TimeoutError: `what`."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.1)
