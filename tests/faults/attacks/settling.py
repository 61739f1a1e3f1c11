"""What a server holds once it has had a moment to let go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.faults.readings import Reading
from tests.faults.server import Server

LIMIT_SECONDS = 60.0
POLL_SECONDS = 0.05


async def settled(server: Server, growth: Callable[[Reading], float], limit_seconds: float = LIMIT_SECONDS) -> float:
    """Return the growth as soon as it is none, or what is left of it after the limit."""
    until = asyncio.get_running_loop().time() + limit_seconds
    while (left := growth(server.reading())) > 0 and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(POLL_SECONDS)
    return left
