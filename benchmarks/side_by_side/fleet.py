"""The engines' server processes: started when first wanted, stopped in their tracks (SIGSTOP) while others work.

So only one engine has the cores at a time, and none pays for its start more than once.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

import psutil

from benchmarks.harness.processes import free_port, peak_mebibytes, running
from benchmarks.peers.engine import Engine, Need


@dataclass
class Server:
    """The processes of one server. `workloads`: those that it has been warmed up for."""

    engine: str
    port: int
    root: psutil.Process
    start_seconds: float
    until: ExitStack
    workloads: set[str] = field(default_factory=set)

    def processes(self) -> list[psutil.Process]:
        """Return those that have not ended."""
        with suppress(psutil.NoSuchProcess):
            return [self.root, *self.root.children(recursive=True)]
        return []

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of them."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def peak_mebibytes(self) -> float:
        """Return the sum over its processes of the most memory that each ever held."""
        return sum(peak_mebibytes(process.pid) for process in self.processes())


class Fleet:
    """All servers of a run; ends them on leaving."""

    def __init__(self) -> None:
        self._servers: dict[tuple[str, ...], Server] = {}

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *error: object) -> None:
        for engine in {server.engine for server in self._servers.values()}:
            self.end(engine)

    @contextmanager
    def awake(self, engine: Engine, need: Need) -> Iterator[Server]:
        """Give the cores to the server that fills the need, which may have to start. Raises RuntimeError."""
        key = engine.command(need, 0)  # needs that come to the same command share a server
        if key not in self._servers:
            port, started, until = free_port(), time.monotonic(), ExitStack()
            process = until.enter_context(running(engine.command(need, port), lambda: engine.is_ready(port)))
            root, seconds = psutil.Process(process.pid), time.monotonic() - started
            self._servers[key] = Server(engine.name, port, root, seconds, until)
        server = self._servers[key]
        server.signal(signal.SIGCONT)
        try:
            yield server
        finally:
            server.signal(signal.SIGSTOP)

    def end(self, engine: str) -> None:
        """End all servers of an engine."""
        for key in [key for key, server in self._servers.items() if server.engine == engine]:
            server = self._servers.pop(key)
            server.signal(signal.SIGCONT)
            with suppress(RuntimeError):  # it had to be killed
                server.until.close()
