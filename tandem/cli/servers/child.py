"""A server process as a child: started, its log kept, its readiness awaited, ended with a signal.

Knows nothing of what the process does: only its command and that it speaks grpc.health.v1.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tandem.cli.servers.startup_display import StartupDisplay
from tandem.client.credentials import Credentials, open_async_channel

logger = logging.getLogger(__name__)

TAIL_LINES = 12
READ_BYTES = 65_536
BACKOFF_MS = 100
"""Longest wait between two attempts to connect to a process that does not listen yet: the least that grpc allows."""


@dataclass(frozen=True)
class ChildSpec:
    """A process to start; `address` is where it answers health checks."""

    name: str
    command: tuple[str, ...]
    address: str


class Child:
    """Owns one process. The display gets each line that it logs; the last ones are in `tail`.

    What cannot be written into the log's file is left out, so that a full disk does not stop the process: the display
    hears of it the first time. Nor does it stop because the display raises an Exception; the first one is logged.
    """

    def __init__(self, spec: ChildSpec, log_path: Path, display: StartupDisplay) -> None:
        self.spec = spec
        self.name = spec.name
        self.log_path = log_path
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._display = display
        self._is_whole = True  # the log's file
        self._is_heard = True  # by the display
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the process in a session of its own, for Ctrl-C is for us to pass on, and tethered to our life.

        The first start begins a new log; a later one, once the process has died, goes on with it.
        """
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        if self._process is None:
            with contextlib.suppress(OSError):  # the first line tells
                self.log_path.write_text("")
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "runtime.process.tethered", str(os.getpid()), *self.spec.command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = asyncio.create_task(self._read_log(self._process))

    async def wait_ready(self) -> None:
        """Return when its health is SERVING; never if it does not become so.

        It is asked in plaintext, and with TLS if the environment says how: its own settings, which are not known here,
        say which it speaks.
        """
        ours = Credentials.from_environment()
        tried = [Credentials(), *([ours] if ours.ca else [])]
        asking = [asyncio.create_task(self._serving(credentials)) for credentials in tried]
        try:
            done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def _serving(self, credentials: Credentials) -> None:
        async with open_async_channel(self.spec.address, credentials, BACKOFF_MS) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while True:
                with contextlib.suppress(grpc.aio.AioRpcError):
                    async for response in stub.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True):
                        if response.status == health_pb2.HealthCheckResponse.SERVING:
                            return

    async def wait_dead(self) -> int:
        """Return its exit code, minus the signal's number if one ended it, once all it logged has been read."""
        if self._process is None or self._reader is None:
            raise RuntimeError("not started")
        code = await self._process.wait()
        await asyncio.shield(self._reader)
        return code

    async def stop(self, grace_seconds: float) -> None:
        """End it with SIGTERM, with SIGKILL if that takes longer than `grace_seconds`; no effect if it has ended."""
        if self._process is None:
            return
        self._send(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                await self._process.wait()
        except TimeoutError:
            self.kill()
        await self.wait_dead()

    def kill(self) -> None:
        """End it at once."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            raise RuntimeError("the log is not piped")
        rest = b""
        while block := await process.stdout.read(READ_BYTES):
            *lines, rest = (rest + block).split(b"\n")
            self._keep(lines)
        self._keep([rest] if rest else [])

    def _keep(self, lines: list[bytes]) -> None:
        """Write and show lines. If an error ended the reading, the pipe would fill up and the process would wait for
        ever.
        """
        texts = [line.decode("utf-8", "replace") for line in lines]
        self.tail.extend(texts)
        unwritten = self._write("".join(f"{text}\n" for text in texts))
        try:
            if unwritten is not None:
                self._display.unwritten(self.name, self.log_path, unwritten)
            for text in texts:
                self._display.logged(self.name, text)
        except Exception:
            if self._is_heard:
                logger.exception("%s: what it logs cannot be shown; its log is in %s", self.name, self.log_path)
            self._is_heard = False

    def _write(self, text: str) -> OSError | None:
        """Add to the log's file; return the first error of that."""
        try:
            with self.log_path.open("a", encoding="utf-8") as log:
                log.write(text)
        except OSError as error:
            was_whole, self._is_whole = self._is_whole, False
            return error if was_whole else None
        return None
