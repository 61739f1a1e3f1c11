"""Several server processes as one thing: started together, ready when all are, stopped in order.

Backends start first, the gateway last. Stopping goes in the reverse order, so that the gateway never loses a backend
that it forwards to. Once all were ready, one that dies may be started again; before that its death ends the stack.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from tandem.cli.servers.child import Child, ChildSpec
from tandem.cli.servers.keeper import Keeper, KeeperObserver
from tandem.cli.servers.restarts import RestartPolicy, Restarts


class StackObserver(KeeperObserver, Protocol):
    """Called for each event of a process."""

    def logged(self, name: str, line: str) -> None: ...
    def unwritten(self, name: str, log_path: Path, error: OSError) -> None: ...
    def slow(self, name: str, log_path: Path) -> None: ...
    def ready(self, name: str) -> None: ...
    def stopping(self, name: str) -> None: ...
    def stopped(self, name: str) -> None: ...


_SLOW_SECONDS = 60.0


class Stack:
    """Owns the processes. `layers` are stopped last to first, those of one layer together.

    `restarts` says how often a process that dies once all were ready is started again. The observer hears of those
    that are not ready after `slow_seconds`.
    """

    def __init__(
        self,
        layers: Sequence[Sequence[ChildSpec]],
        log_folder: Path,
        observer: StackObserver,
        grace_seconds: float,
        restarts: RestartPolicy,
        slow_seconds: float = _SLOW_SECONDS,
    ) -> None:
        self._observer = observer
        self._slow_seconds = slow_seconds
        self._grace_seconds = grace_seconds
        self._layers = [
            [Child(spec, log_folder / f"{spec.name}.log", observer.logged, observer.unwritten) for spec in layer]
            for layer in layers
        ]
        self._keepers = [
            Keeper(child, Restarts(restarts, time.monotonic), observer, asyncio.sleep) for child in self.children
        ]

    @property
    def children(self) -> list[Child]:
        return [child for layer in self._layers for child in layer]

    async def run(self, work: Callable[[], Awaitable[int]], stop_requested: asyncio.Event) -> int:
        """Start all, run `work` once they are ready and return its result, or 0 if `stop_requested` comes first.

        Whatever happens, all are stopped. Raises ChildDied.
        """
        try:
            return await self._run(work, stop_requested)
        finally:
            await self._stop()

    async def _run(self, work: Callable[[], Awaitable[int]], stop_requested: asyncio.Event) -> int:
        for child in self.children:
            await child.start()
        keeping = [asyncio.create_task(keeper.keep()) for keeper in self._keepers]
        busy = asyncio.create_task(self._ready_then(work))
        stop = asyncio.create_task(stop_requested.wait())
        async with _ended([*keeping, busy, stop]):
            done, _ = await asyncio.wait([*keeping, busy, stop], return_when=asyncio.FIRST_COMPLETED)
            if busy in done:
                return busy.result()
            if stop not in done:
                done.pop().result()  # raises ChildDied: nothing else ends the keeping of a child
            return 0

    async def _ready_then(self, work: Callable[[], Awaitable[int]]) -> int:
        async with asyncio.TaskGroup() as group:
            for child in self.children:
                group.create_task(self._until_ready(child))
        for keeper in self._keepers:
            keeper.all_ready()
        return await work()

    async def _until_ready(self, child: Child) -> None:
        reminder = asyncio.get_running_loop().call_later(
            self._slow_seconds, self._observer.slow, child.name, child.log_path
        )
        try:
            await child.wait_ready()
        finally:
            reminder.cancel()
        self._observer.ready(child.name)

    async def _stop(self) -> None:
        """Stop all, also if that raises for one of them; then raise it."""
        ended: list[BaseException | None] = []
        for layer in reversed(self._layers):
            ended += await asyncio.gather(*(self._stop_child(child) for child in layer), return_exceptions=True)
        if (fault := next(filter(None, ended), None)) is not None:
            raise fault

    async def _stop_child(self, child: Child) -> None:
        self._observer.stopping(child.name)
        await child.stop(self._grace_seconds)
        self._observer.stopped(child.name)

    def kill(self) -> None:
        """End every process at once."""
        for child in self.children:
            child.kill()


@contextlib.asynccontextmanager
async def _ended(tasks: Sequence[asyncio.Task[Any]]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
