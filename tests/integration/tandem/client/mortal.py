"""Both scripted backends behind one port, in a process that a test can kill. Run as a module it serves."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

from tests.integration.tandem.fakes import fake_gateway


@contextlib.asynccontextmanager
async def mortal_backends() -> AsyncIterator[tuple[Process, str]]:
    """Run them; yields the process and its host:port. Killed at the end."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, stdout=PIPE)
    assert process.stdout is not None
    try:
        yield process, f"127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def main() -> None:
    async with fake_gateway() as backends:
        print(backends.server.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
