"""The engines' server processes: started when first wanted, stopped in their tracks (SIGSTOP) while others work.

So only one engine has the cores at a time, and none pays for its start more than once.
"""

import asyncio
import os
import signal
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.harness.processes import PEAK, free_port, mebibytes
from benchmarks.peers.engine import Engine, Need

READY_SECONDS = 400.0
STOP_SECONDS = 20.0


class CannotServe(Exception):
    """Expected: a server did not become ready; the text says what it said last."""


@dataclass
class Server:
    """A process group of one server."""

    engine: str
    process: asyncio.subprocess.Process
    port: int
    log: Path
    start_seconds: float = 0.0
    workloads: set[str] = field(default_factory=set)

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def peak_mebibytes(self) -> float:
        """Return the sum over its processes of the most memory that each ever held."""
        root = psutil.Process(self.process.pid)
        return sum(mebibytes(process.pid).get(PEAK, 0.0) for process in (root, *root.children(recursive=True)))

    def last_words(self) -> str:
        return " / ".join(self.log.read_text(errors="replace").strip().splitlines()[-3:])[-400:]


class Fleet:
    """All servers of a run; ends them on leaving."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._servers: dict[tuple[str, ...], Server] = {}

    async def __aenter__(self) -> "Fleet":
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.end(list(self._servers))

    @asynccontextmanager
    async def awake(self, engine: Engine, need: Need) -> AsyncIterator[Server]:
        """Give the cores to the server that fills the need, which may have to start. Raises CannotServe."""
        key = engine.command(need, 0)  # needs that come to the same command share a server
        server = self._servers.get(key) or await self._start(engine, need, key)
        server.signal(signal.SIGCONT)
        try:
            yield server
        finally:
            server.signal(signal.SIGSTOP)

    def of(self, engine: Engine) -> list[Server]:
        return [server for server in self._servers.values() if server.engine == engine.name]

    async def end_all_of(self, engine: Engine) -> None:
        await self.end([key for key, server in self._servers.items() if server.engine == engine.name])

    async def end(self, keys: list[tuple[str, ...]]) -> None:
        servers = [self._servers.pop(key) for key in keys]
        for server in servers:
            server.signal(signal.SIGTERM)
            server.signal(signal.SIGCONT)
        for server in servers:
            with suppress(TimeoutError):
                await asyncio.wait_for(server.process.wait(), STOP_SECONDS)
            server.signal(signal.SIGKILL)  # whoever is left of the group
            await server.process.wait()

    async def _start(self, engine: Engine, need: Need, key: tuple[str, ...]) -> Server:
        port = free_port()
        log = self._logs / f"{engine.name.replace(' ', '-')}-{port}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *engine.command(need, port), stdin=DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        server = self._servers[key] = Server(engine.name, process, port, log)
        started = time.monotonic()
        while not await asyncio.to_thread(engine.is_ready, port):
            if process.returncode is not None or time.monotonic() - started > READY_SECONDS:
                await self.end([key])
                raise CannotServe(f"the server did not become ready: {server.last_words()}")
            await asyncio.sleep(0.2)
        server.start_seconds = time.monotonic() - started
        return server
