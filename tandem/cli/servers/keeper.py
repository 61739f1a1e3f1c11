"""Keeps one process alive: waits for its death and starts it again, as often as its policy allows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import NoReturn, Protocol

from tandem.cli.servers.restarts import Attempt, Restarts


class KeptProcess(Protocol):
    """What is kept alive; `tandem.cli.servers.child.Child` is one."""

    @property
    def name(self) -> str: ...

    @property
    def log_path(self) -> Path: ...

    @property
    def tail(self) -> Iterable[str]: ...

    async def start(self) -> None: ...

    async def wait_ready(self) -> None: ...

    async def wait_dead(self) -> int: ...


class ChildDied(Exception):
    """Expected error: a process ended that should have gone on; `process` has its last log lines."""

    def __init__(self, process: KeptProcess, code: int) -> None:
        how = how_it_ended(code)
        super().__init__(f"the {process.name} process ended by itself ({how}); its whole log is in {process.log_path}")
        self.process = process


class KeeperObserver(Protocol):
    """Told what becomes of a process after its first readiness."""

    def starting_again(self, name: str, code: int, attempt: Attempt, log_path: Path) -> None: ...
    def ready_again(self, name: str) -> None: ...


class Keeper:
    """Owns the restarts of one process, whose first start is its caller's; `sleep` waits for seconds."""

    def __init__(
        self,
        process: KeptProcess,
        restarts: Restarts,
        observer: KeeperObserver,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._process = process
        self._restarts = restarts
        self._observer = observer
        self._sleep = sleep

    def all_ready(self) -> None:
        """The whole to which the process belongs is ready: from here on its death is no failure to start."""
        self._restarts.ready()

    async def keep(self) -> NoReturn:
        """Start it again whenever it dies, until cancelled. Raises ChildDied when it is not to be started again."""
        while True:
            code = await self._process.wait_dead()
            attempt = self._restarts.died()
            if attempt is None:
                raise ChildDied(self._process, code)
            self._observer.starting_again(self._process.name, code, attempt, self._process.log_path)
            await self._sleep(attempt.delay_seconds)
            await self._process.start()
            await self._ready_or_dead()

    async def _ready_or_dead(self) -> None:
        ready = asyncio.create_task(self._process.wait_ready())
        dead = asyncio.create_task(self._process.wait_dead())
        try:
            await asyncio.wait([ready, dead], return_when=asyncio.FIRST_COMPLETED)
            if not dead.done():
                ready.result()
                self._restarts.ready()
                self._observer.ready_again(self._process.name)
        finally:
            ready.cancel()
            dead.cancel()
            await asyncio.gather(ready, dead, return_exceptions=True)


def how_it_ended(code: int) -> str:
    """Return an exit code in words; a negative one is a signal's number."""
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
