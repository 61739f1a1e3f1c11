"""Several server processes as one thing: started together, ready when all are, stopped in order.

Backends start first, the gateway last. Stopping goes in the reverse order, so that the gateway never loses a backend
that it forwards to. Once all were ready, a process that dies may be started once more; any other death ends the stack.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tandem.cli.servers.child import Child, ChildSpec
from tandem.cli.servers.startup_display import StartupDisplay, how_it_ended

_SLOW_SECONDS = 60.0


class ChildDied(Exception):
    """Expected error: a process ended that should have gone on; `child` has its last log lines."""

    def __init__(self, child: Child, code: int) -> None:
        how = how_it_ended(code)
        super().__init__(f"the {child.name} process ended by itself ({how}); its whole log is in {child.log_path}")
        self.child = child


class Stack:
    """Owns the processes. `layers` are stopped last to first, those of one layer together.

    `restarts`: whether a process that dies once all were ready is started again, once. The display hears of those that
    are not ready after `slow_seconds`.
    """

    def __init__(
        self,
        layers: Sequence[Sequence[ChildSpec]],
        log_folder: Path,
        display: StartupDisplay,
        grace_seconds: float,
        *,
        restarts: bool,
        slow_seconds: float = _SLOW_SECONDS,
    ) -> None:
        self._display = display
        self._slow_seconds = slow_seconds
        self._grace_seconds = grace_seconds
        self._restarts = restarts
        self._is_ready = False
        self._layers = [
            [Child(spec, log_folder / f"{spec.name}.log", display.logged, display.unwritten) for spec in layer]
            for layer in layers
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
        keeping = [asyncio.create_task(self._keep(child)) for child in self.children]
        busy = asyncio.create_task(self._ready_then(work))
        stop = asyncio.create_task(stop_requested.wait())
        async with _cancel_at_end([*keeping, busy, stop]):
            done, _ = await asyncio.wait([*keeping, busy, stop], return_when=asyncio.FIRST_COMPLETED)
            if busy in done:
                return busy.result()
            if stop not in done:
                done.pop().result()  # raises ChildDied: nothing else ends the keeping of a child
            return 0

    async def _keep(self, child: Child) -> NoReturn:
        """Wait for a death, and for another one if it may be started again; raise ChildDied."""
        code = await child.wait_dead()
        if self._restarts and self._is_ready:
            self._display.starting_again(child.name, code, child.log_path)
            await child.start()
            async with _cancel_at_end([asyncio.create_task(self._ready_again(child))]):
                code = await child.wait_dead()
        raise ChildDied(child, code)

    async def _ready_again(self, child: Child) -> None:
        await child.wait_ready()
        self._display.ready_again(child.name)

    async def _ready_then(self, work: Callable[[], Awaitable[int]]) -> int:
        async with asyncio.TaskGroup() as group:
            for child in self.children:
                group.create_task(self._until_ready(child))
        self._is_ready = True
        return await work()

    async def _until_ready(self, child: Child) -> None:
        reminder = asyncio.get_running_loop().call_later(
            self._slow_seconds, self._display.slow, child.name, child.log_path
        )
        try:
            await child.wait_ready()
        finally:
            reminder.cancel()
        self._display.ready(child.name)

    async def _stop(self) -> None:
        """Stop all, also if that raises for one of them; then raise it."""
        ended: list[BaseException | None] = []
        for layer in reversed(self._layers):
            ended += await asyncio.gather(*(self._stop_child(child) for child in layer), return_exceptions=True)
        if (fault := next(filter(None, ended), None)) is not None:
            raise fault

    async def _stop_child(self, child: Child) -> None:
        self._display.stop()
        await child.stop(self._grace_seconds)
        self._display.stopped(child.name)

    def kill(self) -> None:
        """End every process at once."""
        for child in self.children:
            child.kill()


@contextlib.asynccontextmanager
async def _cancel_at_end(tasks: Sequence[asyncio.Task[Any]]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
