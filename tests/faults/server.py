"""One real server process: started, killed, frozen, restarted; where it answers and what it holds."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tandem.cli.servers.ports import HOST, free_ports
from tests.faults.readings import Reading, read

ROOT = Path(__file__).parents[2]
READY_SECONDS = 240.0  # a guard against hanging: processes start slowly where cores are busy
ASK_AGAIN_SECONDS = 0.05
_FRESH = (("grpc.use_local_subchannel_pool", 1),)


@dataclass(frozen=True)
class Server:
    """Where a server answers, and how to find its process: one whose command line has all of `words`."""

    name: str
    address: str
    metrics_url: str
    words: tuple[str, ...]
    parent: int

    @property
    def pid(self) -> int:
        """The process that runs now; another one after a restart. Raises LookupError."""
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.parent).children(recursive=True):
                if self._is(process):
                    return int(process.pid)
        raise LookupError(f"{self.name} does not run")

    def _is(self, process: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess):
            command = process.cmdline()  # empty for one that has died and was not waited for
            return set(self.words) <= set(command) and "runtime.process.tethered" not in command
        return False

    @property
    def web_address(self) -> str:
        """Where its metrics are, and a gateway's HTTP."""
        return self.metrics_url.removesuffix("/metrics")

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def reading(self) -> Reading:
        return read(self.pid)

    async def ready(self, service: str = "", timeout_seconds: float = READY_SECONDS) -> float:
        """Return the seconds until its health, of the whole or of `service`, was SERVING. Raises TimeoutError."""
        started = time.monotonic()
        async with asyncio.timeout(timeout_seconds):
            while not await self._is_serving(service):
                await asyncio.sleep(ASK_AGAIN_SECONDS)
        return time.monotonic() - started

    async def _is_serving(self, service: str) -> bool:
        # A channel of its own each time: the backoff of one that failed would count as the server's time.
        async with grpc.aio.insecure_channel(self.address, options=_FRESH) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            try:
                response = await health.Check(health_pb2.HealthCheckRequest(service=service), timeout=1.0)
            except grpc.aio.AioRpcError:
                return False
            return bool(response.status == health_pb2.HealthCheckResponse.SERVING)


class OwnServer:
    """A server that the tests start themselves, a module on free ports; `server` says where it is.

    `async with` starts it, waits until it serves, and ends it. Its log is in `folder`.
    """

    def __init__(self, name: str, module: str, folder: Path, *flags: str) -> None:
        port, second = free_ports(2)
        second_flag = "--http-port" if module == "gateway" else "--metrics-port"
        command = ("-m", module, "--port", str(port), second_flag, str(second), *flags)
        self.server = Server(name, f"{HOST}:{port}", f"http://{HOST}:{second}/metrics", command, os.getpid())
        self._log_path = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Server:
        self.start()
        try:
            await self.server.ready()
        except BaseException:
            self.end()
            raise
        return self.server

    async def __aexit__(self, *error: object) -> None:
        self.end()

    def start(self) -> None:
        with self._log_path.open("ab") as log:
            command = (sys.executable, *self.server.words)
            folder = self._log_path.parent
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, SIGKILL and SIGSTOP among them."""
        self._running().send_signal(number)

    async def wait(self, timeout_seconds: float = READY_SECONDS) -> int:
        """Return the exit code once it has ended, minus the number of a signal that ended it. Raises TimeoutError."""
        process = self._running()
        async with asyncio.timeout(timeout_seconds):
            while process.poll() is None:
                await asyncio.sleep(ASK_AGAIN_SECONDS)
        return process.poll() or 0

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def mend(self) -> None:
        """Start it if it does not run, thaw it if it is frozen."""
        if not self.is_running:
            self.start()
        self.signal(signal.SIGCONT)

    def end(self) -> None:
        """End it whatever its state; no effect if it has ended."""
        if self._process is not None and self.is_running:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=15)
            self._process.kill()
            self._process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("not started")
        return self._process


def environment() -> dict[str, str]:
    """Return an environment without settings of Tandem's, in which a process finds this checkout's packages."""
    others = {name: value for name, value in os.environ.items() if name[:7] != "TANDEM_" or name == "TANDEM_CACHE"}
    return others | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
