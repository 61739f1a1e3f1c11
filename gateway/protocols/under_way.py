"""Requests in flight in a protocol, and their end when the gateway stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from tandem.shared.errors import Unavailable


class UnderWay:
    """Requests and streams each run in a task of their own. Needs a running event loop."""

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self._requests: set[asyncio.Task[Any]] = set()
        self._streams: set[asyncio.Task[Any]] = set()

    @property
    def is_draining(self) -> bool:
        return self.draining.is_set()

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Count the current task as a request. Raises Unavailable while the gateway stops."""
        if self.is_draining:
            raise Unavailable("the gateway is stopping")
        with _among(self._requests):
            yield

    @contextlib.contextmanager
    def stream(self) -> Iterator[None]:
        """Count the current task as a stream, which ends itself when `draining` is set and its requests have ended."""
        with _among(self._streams):
            yield

    async def drain(self, seconds: float) -> bool:
        """Take no more requests, let open ones end for so long, then cancel; return whether none was cancelled."""
        self.draining.set()
        tasks = self._requests | self._streams
        late = (await asyncio.wait(tasks, timeout=seconds))[1] if tasks else set()
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return not late


@contextlib.contextmanager
def _among(tasks: set[asyncio.Task[Any]]) -> Iterator[None]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  a coroutine runs in a task
    tasks.add(task)
    try:
        yield
    finally:
        tasks.discard(task)
