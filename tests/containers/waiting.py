"""Waiting for what something else does, with an end to patience."""

import asyncio
from collections.abc import Callable

PATIENCE_SECONDS = 60.0


async def until(holds: Callable[[], bool]) -> None:
    """Return when it holds. It is asked in a thread, and may wait there for an answer."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.02)
