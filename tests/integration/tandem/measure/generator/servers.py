"""Servers for a load generator to measure, in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tandem.measure.truth.server import TruthServer


@dataclass(frozen=True)
class Server:
    address: str
    process: subprocess.Popen[bytes]


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


async def answered(server: TruthServer, count: int = 20) -> None:
    """Return when a server has ended so many requests."""
    async with asyncio.timeout(60):
        while server.num_ended < count:
            await asyncio.sleep(0.01)
