"""Several server processes as one thing, under a person's hand: started together, ready when all are, stopped in order.

Backends stop last, the gateway first, so that it never loses a backend that it forwards to. Once all were ready, a
process that dies may be started once more; any other death ends the stack and is explained. Ctrl-C stops it in order, a
second one at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tandem.cli.failures import FAILED
from tandem.cli.packages import SERVER_PACKAGES, need_packages
from tandem.cli.servers.child import Child, ChildSpec
from tandem.cli.servers.plan import Plan
from tandem.cli.servers.startup_display import StartupDisplay, how_it_ended, readable
from tandem.cli.terminal import Terminal

LOG_FOLDER = Path("out/logs")
_KILL_AFTER_SECONDS = 5.0
_SLOW_SECONDS = 60.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Work = Callable[[], Awaitable[int]]
Death = tuple[Child, int]


def run_plan(
    plan: Plan, terminal: Terminal, verbose: bool, work: Work, *, restarts: bool, code_of_stop: int = 0
) -> int:
    """Run the plan's processes and, once they are ready, `work`; return the exit code.

    `restarts`: whether one that dies later is started again, once. `code_of_stop` is the exit code if a signal ends the
    work. Raises PortTaken, ModelError if weights are not to be had, ValueError if only a client is installed.
    """
    need_packages("servers", *SERVER_PACKAGES)
    plan.ports.check()
    plan.fetch_weights(terminal.note)
    layers = plan.layers()
    display = StartupDisplay(terminal, [spec.name for layer in layers for spec in layer], verbose)
    stack = Stack(layers, LOG_FOLDER, display, plan.drain_seconds + _KILL_AFTER_SECONDS, restarts=restarts)
    return asyncio.run(stack.run(work, code_of_stop))


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
        self._stop_requested = asyncio.Event()
        self._layers = [[Child(spec, log_folder / f"{spec.name}.log", display) for spec in layer] for layer in layers]
        self._children = [child for layer in self._layers for child in layer]

    async def run(self, work: Work, code_of_stop: int = 0) -> int:
        """Start all, run `work` once they are ready and return its result; `code_of_stop` if a signal comes first and
        cancels it, 1 if a process dies for good. Whatever happens, all are stopped.
        """
        self._display.start()
        try:
            with self._signals():
                try:
                    code, death = await self._run(work, code_of_stop)
                finally:
                    await self._stop()
        finally:
            self._display.stop()
        if death is not None:
            self._explain(*death)
        return code

    async def _run(self, work: Work, code_of_stop: int) -> tuple[int, Death | None]:
        for child in self._children:
            await child.start()
        keeping = [asyncio.create_task(self._keep(child)) for child in self._children]
        busy = asyncio.create_task(self._ready_then(work))
        stop = asyncio.create_task(self._stop_requested.wait())
        async with _cancel_at_end([*keeping, busy, stop]):
            done, _ = await asyncio.wait([*keeping, busy, stop], return_when=asyncio.FIRST_COMPLETED)
            if busy in done:
                return busy.result(), None
            if stop in done:
                return code_of_stop, None
            return FAILED, next(task for task in keeping if task in done).result()

    async def _keep(self, child: Child) -> Death:
        """Wait for a death, and for another one if it may be started again."""
        code = await child.wait_dead()
        if self._restarts and self._is_ready:
            self._display.starting_again(child.name, code, child.log_path)
            await child.start()
            async with _cancel_at_end([asyncio.create_task(self._ready_again(child))]):
                code = await child.wait_dead()
        return child, code

    async def _ready_again(self, child: Child) -> None:
        await child.wait_ready()
        self._display.ready_again(child.name)

    async def _ready_then(self, work: Work) -> int:
        async with asyncio.TaskGroup() as group:
            for child in self._children:
                group.create_task(self._until_ready(child))
        self._is_ready = True
        return await work()

    async def _until_ready(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        reminder = loop.call_later(self._slow_seconds, self._display.slow, child.name, child.log_path)
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

    def _explain(self, child: Child, code: int) -> None:
        terminal = self._display.terminal
        how = how_it_ended(code)
        terminal.fail(f"the {child.name} process ended by itself ({how}); its whole log is in {child.log_path}")
        for line in child.tail:
            terminal.note(f"  {readable(line)}")

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """The first stop signal ends the work, the next ones kill."""
        loop = asyncio.get_running_loop()

        def on_signal(number: signal.Signals) -> None:
            if self._stop_requested.is_set():
                for child in self._children:
                    child.kill()
            elif number != signal.SIGINT:  # who pressed Ctrl-C knows it
                self._display.terminal.note(f"{number.name}: stopping")
            self._stop_requested.set()

        for number in _SIGNALS:
            loop.add_signal_handler(number, on_signal, number)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _cancel_at_end(tasks: Sequence[asyncio.Task[Any]]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
