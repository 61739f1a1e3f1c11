"""Servers in processes of their own, for a load generator to measure."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Server:
    address: str
    process: subprocess.Popen[bytes]

    async def answered(self) -> None:
        """Return when it has answered another twenty requests; for the server with known delays."""
        assert self.process.stdout is not None
        assert await asyncio.to_thread(self.process.stdout.readline)


@contextlib.contextmanager
def serving(module: str, *words: str) -> Iterator[Server]:
    """Run a module that prints its port and serves."""
    process = subprocess.Popen([sys.executable, "-m", module, *words], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield Server(f"127.0.0.1:{int(process.stdout.readline())}", process)
    finally:
        process.kill()
        process.communicate()
