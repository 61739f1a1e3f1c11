"""A backend in a process of its own, which a test can kill or freeze. Run as a module it serves until it is ended."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

from tests.integration.gateway.proxy.backend import HOST, Call, sequential


@contextlib.asynccontextmanager
async def backend_process() -> AsyncIterator[tuple[Process, str]]:
    """Run one; yields the process and its host:port. Killed at the end."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, stdout=PIPE)
    assert process.stdout is not None
    try:
        yield process, f"{HOST}:{int(await process.stdout.readline())}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def answer(request: bytes, call: Call) -> AsyncIterator[bytes]:
    """Answer as many times as the request says, a hundredth of a second before each."""
    for _ in range(int(request)):
        await asyncio.sleep(0.01)
        yield request


async def main() -> None:
    async with sequential() as backend:
        backend.answer = answer
        print(backend.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
