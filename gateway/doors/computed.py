"""Work that may take long, kept off the event loop: everybody waits for what runs on it, key checks as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def computed(may_take_long: bool, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what the function returns; it runs in a thread if it may take long."""
    return await asyncio.to_thread(function, *args, **kwargs) if may_take_long else function(*args, **kwargs)
