"""Both backends without models, in one process: `python -m tests.integration.fake_backend` prints its port."""

from __future__ import annotations

import asyncio

import uvloop

from tests.integration.tandem.fakes import fake_gateway


async def serve() -> None:
    """Serve on a free port until the process is ended."""
    async with fake_gateway() as gateway:
        gateway.sequential.has_images = False
        print(gateway.server.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
