"""Work that may take long, kept off the event loop: everybody waits for what runs on it, key checks as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MAX_INLINE_BYTES = 16 * 1024
"""Larger messages take long to translate."""


async def in_thread_if(takes_long: bool, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what the function returns; it runs in a thread if it takes long."""
    return await asyncio.to_thread(function, *args, **kwargs) if takes_long else function(*args, **kwargs)
