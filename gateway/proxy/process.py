"""Envoy as a child of the gateway: started, awaited, drained, ended. It never outlives the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.proxy.admin import Admin, AdminError
from gateway.proxy.sockets import Sockets
from runtime.server.server import PortInUse

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.3
"""No request may be in flight for this long at the end of a drain: a client that is connected and was idle learns
of the drain with its next reply only."""

_POLL_SECONDS = 0.02
_LOOK_SECONDS, _LOOK_TIMEOUT_SECONDS, _MAX_MISSED = 1.0, 3.0, 3
"""How often Envoy is asked whether it is there, and how many answers may be missing."""
_END_SECONDS = 5.0
_TAIL_LINES = 5
_LINE_BYTES = 1 << 20  # a longer line would end the reading, and Envoy would wait for ever to write the next
_CANNOT_BIND = re.compile(r"cannot bind '?([^']+?)'?: ")
_STOPPED = "caught ENVOY_SIGTERM"  # a warning, though the gateway asked for it
_LEVELS = {"warning": logging.WARNING, "error": logging.ERROR, "critical": logging.CRITICAL}


class EnvoyEnded(ChildProcessError):
    """Envoy ended unexpectedly; the text has the last lines that it logged."""


class Envoy:
    """Owns one Envoy that runs what `bootstrap.write` has left in the folder of `sockets`."""

    def __init__(self, binary: Path, sockets: Sockets, workers: int = 1) -> None:
        self.admin = Admin(sockets.admin)
        self._watch = Admin(sockets.admin, _LOOK_TIMEOUT_SECONDS)
        self.ports: Mapping[str, int] = {}
        """The ports of the public listeners by their names, once started."""
        self._command = (
            *(str(binary), "-c", str(sockets.bootstrap), "--concurrency", str(workers)),
            *("--disable-hot-restart", "--drain-strategy", "immediate"),
            *("--log-level", "warning", "--log-format", "%l %v"),
        )
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process id. Raises RuntimeError before the start."""
        return self._get_process().pid

    async def start(self) -> None:
        """Start it and return when it listens. Raises PortInUse, EnvoyEnded."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "runtime.process.tethered", str(os.getpid()), *self._command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=PIPE,
            limit=_LINE_BYTES,
            start_new_session=True,  # Ctrl-C is the gateway's to handle
        )
        self._reader = asyncio.create_task(self._read_log(self._process))
        while not await self._is_ready():
            if self._process.returncode is not None:
                raise await self._why()
            await asyncio.sleep(_POLL_SECONDS)

    async def wait_dead(self) -> Exception:
        """Return why it ended, if it does so of itself, or is killed because it hangs."""
        process = self._get_process()
        ended, hangs = asyncio.create_task(process.wait()), asyncio.create_task(self._wait_hanging())
        try:
            await asyncio.wait((ended, hangs), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                logger.error("envoy does not answer any more: it is killed")
                process.kill()
            await ended
        finally:
            hangs.cancel()
        return await self._why()

    async def _wait_hanging(self) -> None:
        """Return when several answers of its main thread are missing, one after another."""
        num_missed = 0
        while num_missed < _MAX_MISSED:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self._watch.is_ready()
                num_missed = 0
            except AdminError:
                num_missed += 1

    async def drain(self, seconds: float) -> bool:
        """Send clients elsewhere and wait for requests in flight; return whether all ended within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self.admin.drain_listeners()
                await self._until_idle()
        except (TimeoutError, AdminError):
            return False
        return True

    async def until_logged(self, num_taken: Callable[[], int], seconds: float) -> bool:
        """Wait until `num_taken()` is what it has logged so far; return False if `seconds` are not enough."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    num_written = (await self.admin.counters()).log_entries_written
                    if num_taken() >= num_written:
                        return True
                    await asyncio.sleep(_POLL_SECONDS)
        except (TimeoutError, AdminError):
            return False

    async def stop(self) -> None:
        """End it now, with its requests in flight; no effect if it has ended or never started."""
        if self._process is None or self._reader is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
        await self._reader

    async def _until_idle(self) -> None:
        idle_polls = 0
        while idle_polls * _POLL_SECONDS < SETTLE_SECONDS:
            active = (await self.admin.counters()).requests_active
            idle_polls = 0 if active else idle_polls + 1
            await asyncio.sleep(_POLL_SECONDS)

    def _get_process(self) -> Process:
        if self._process is None:
            raise RuntimeError("not started")
        return self._process

    async def _is_ready(self) -> bool:
        try:
            if await self.admin.is_ready():
                self.ports = await self.admin.ports()
        except AdminError:
            return False
        return bool(self.ports)

    async def _why(self) -> Exception:
        if self._reader:
            await asyncio.shield(self._reader)
        text = " / ".join(self._tail)
        if found := _CANNOT_BIND.search(text):
            return PortInUse(f"cannot listen on {found[1]}: the port is in use or the address is not ours")
        return EnvoyEnded(f"envoy ended with {self._get_process().returncode}: {text}")

    async def _read_log(self, process: Process) -> None:
        if process.stderr is None:
            raise RuntimeError("the log is not piped")
        while line := await process.stderr.readline():
            self._keep(line.decode("utf-8", "replace").strip())

    def _keep(self, line: str) -> None:
        level, _, message = line.partition(" ")
        if message == _STOPPED:
            return
        self._tail.append(message if level in _LEVELS else line)
        logger.log(_LEVELS.get(level, logging.INFO), "envoy: %s", self._tail[-1])
